"""Numbers as people read them."""

from django import template

register = template.Library()


@register.filter
def duration(seconds: float | None) -> str:
    """`4 min 10 s`, `52 s`, `2 h 5 min`; a dash where nobody knows."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@register.filter
def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


@register.filter
def compact(number: float | None) -> str:
    """`1.3M`, `52k`, `812`."""
    if number is None:
        return "–"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.4g}"

"""The banners of a page."""

from collections.abc import Callable

from django.http import HttpRequest

from accounts.banners.models import Banner

HIDDEN = "hidden_banners"
SHOWN_MAX = 5


def banners(request: HttpRequest) -> dict[str, Callable[[], list[Banner]]]:
    """Looked up only by a template that shows them: parts of a page do not."""
    return {"banners": lambda: banners_of(request)}


def banners_of(request: HttpRequest) -> list[Banner]:
    found = list(Banner.objects.shown_to(request.user)[: 2 * SHOWN_MAX])
    hidden = request.session.get(HIDDEN, []) if found else []
    return [banner for banner in found if not banner.dismissible or banner.pk not in hidden][:SHOWN_MAX]

"""Dates as numbers, YYYYMMDD, that sort as the dates do."""

import datetime
import re
from typing import Any, Final

from tracing.core.errors import InputError

_DATE: Final = re.compile(r"\s*(\d{4})(?:[-/.]?(\d{2})(?:[-/.]?(\d{2})(?!\d))?)?(?!\d)")


def date_number(value: Any) -> int:
    """The date with which a document's `date` begins ("2024-05-17T08:00Z", "2024-05", 2024), 0 for none.

    What is left out counts as the first month or day.
    """
    match = _DATE.match(str(value)) if isinstance(value, str | int) else None
    if match is None:
        return 0
    try:
        date = datetime.date(*(int(part or 1) for part in match.groups()))
    except ValueError:
        return 0
    return date.year * 10_000 + date.month * 100 + date.day


def parse_date(text: str, *, last: bool = False) -> int:
    """The date that somebody typed as a limit, 0 for an empty text.

    With `last` a year or month means its last day. Raises InputError for anything that is no date.
    """
    text = text.strip()
    if not text:
        return 0
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text)
    number = date_number(text) if found else 0
    if found is None or not number:
        raise InputError(f"{text[:40]!r} is no date: write it as 2024-05-17, 2024-05 or 2024.")
    month, day = found[2], found[3]
    if last and not day:
        return number // 100 * 100 + 31 if month else number // 10_000 * 10_000 + 1231
    return number

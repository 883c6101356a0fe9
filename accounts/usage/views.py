"""Pages of usage: one's own with what is left of one's limits, and everybody's for administrators."""

import csv
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.limits.services import own_standings
from accounts.models import User
from accounts.staff import staff_only
from accounts.usage.chart import bars_of
from accounts.usage.forms import DAYS, EVERYONE, OWN, UsageForm
from accounts.usage.sums import BY, Line, by_day, total_of, usage_since

FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ["requests", "prompt tokens", "completion tokens", "GPU-seconds"]


@never_cache
@login_required
@require_safe
def own_usage(request: HttpRequest) -> HttpResponse:
    """What one has used, and what is left."""
    form = UsageForm(request.GET, OWN)
    context = usage_context(form, OWN, request.user)
    context |= {"section": "account", "part": "usage"}
    context |= {"standings": own_standings(request.user.pk)}
    return render(request, "accounts/usage/own.html", context)


@never_cache
@staff_only
@require_safe
def all_usage(request: HttpRequest) -> HttpResponse:
    """What everybody has used, and what it costs; also as a file for a spreadsheet."""
    form = UsageForm(request.GET, EVERYONE)
    context = usage_context(form, EVERYONE, None)
    if form.is_csv:
        return as_csv(form, context["lines"])
    return render(
        request, "accounts/usage/everyone.html", context | {"section": "account", "part": "everyone"}
    )


def usage_context(form: UsageForm, choices: list[tuple[str, str]], user: User | None) -> dict[str, Any]:
    rows = usage_since(form.days_asked, user)
    total = total_of(rows)
    return {
        "lines": BY[form.by_asked](rows),
        "total": total,
        "bars": bars_of(by_day(rows, form.days_asked)),
        "by": form.by_asked,
        "days": form.days_asked,
        "ways": choices,
        "spans": DAYS,
        "currency": settings.CURRENCY if total.cost else "",
    }


def as_csv(form: UsageForm, lines: list[Line]) -> HttpResponse:
    name = f"usage-by-{form.by_asked}-{form.days_asked}-days.csv"
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow([form.by_asked, "detail", *COLUMNS, f"cost ({settings.CURRENCY})"])
    for line in lines:
        figures = [line.requests, line.prompt_tokens, line.completion_tokens, line.engine_s, line.cost]
        writer.writerow([harmless(line.label), harmless(line.detail), *figures])
    return response


def harmless(cell: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell

"""/search/ for people and /api/search/ for programs: one search, two ways to show it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import needs_scope
from accounts.models import Scope
from tracing.core.errors import InputError, SearchUnavailable
from tracing.core.search.query import MATCHES, SORTS
from tracing.search.presentation import chip_groups, hidden_fields, pages, rows, to_json
from tracing.search.request import SearchRequest
from tracing.search.results import SearchResults
from training.search import models_to_choose, search_corpus

UNPROCESSABLE = 422
SEARCHED = [
    OpenApiParameter("q", str, description='Words, "phrases", and -words that must not occur.'),
    OpenApiParameter("model", str, description="Only what this model was trained on."),
    OpenApiParameter("match", str, enum=list(MATCHES)),
    OpenApiParameter("sort", str, enum=list(SORTS)),
    OpenApiParameter("stage", str, many=True),
    OpenApiParameter("store", str, many=True),
    OpenApiParameter("licence", str, many=True),
    OpenApiParameter("source", str, description="The beginning of a document's source."),
    OpenApiParameter("since", str, description="The first day, or year, of a document's date."),
    OpenApiParameter("until", str, description="The last one."),
    OpenApiParameter("page", int),
    OpenApiParameter("limit", int),
]


@never_cache
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """The search page; htmx asks for its results alone, at the same address."""
    context, status = answer(parameters(request.GET))
    context |= {"section": "search", "models": models_to_choose()}
    if request.htmx and not request.htmx.history_restore_request:
        # htmx shows no page that says 503, and the reason is on this one
        response = render(
            request, "training/_search_results.html", context, status=min(status, UNPROCESSABLE)
        )
        if status == 200:
            response["HX-Push-Url"] = request.path + context["asked"].address()
    else:
        response = render(request, "training/search.html", context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def answer(values: dict[str, list[str]]) -> tuple[dict[str, Any], int]:
    """What the page shows, and its status. A search that cannot be made leaves the page with the reason."""
    try:
        asked = SearchRequest.of_parameters(values)
    except InputError as error:
        return {"asked": typed(values), "error": error}, UNPROCESSABLE
    try:
        found = search_corpus(asked)
    except InputError as error:
        return {"asked": asked, "error": error}, UNPROCESSABLE
    except SearchUnavailable as error:
        return {"asked": asked, "hidden": hidden_fields(asked), "error": error}, 503
    return {"asked": asked, "hidden": hidden_fields(asked), **shown(found)}, 200


def shown(found: SearchResults) -> dict[str, Any]:
    return {
        "found": found,
        "rows": rows(found) if found.request.asks else [],
        "groups": list(chip_groups(found)),
        "pages": pages(found),
        "withheld": sum(found.withheld.values()),
        "reasons": sorted(found.withheld),
    }


def typed(values: dict[str, list[str]]) -> dict[str, str]:
    """What was typed into a form that is refused, to be corrected there."""
    return {name: found[-1] for name, found in values.items() if found}


def parameters(values: QueryDict) -> dict[str, list[str]]:
    return {name: values.getlist(name) for name in values}


class SearchView(APIView):
    """GET /api/search/: the parameters of the page, answered in JSON."""

    permission_classes = [needs_scope(Scope.TRACE)]

    @extend_schema(parameters=SEARCHED, responses=dict)
    def get(self, request: Request) -> Response:
        try:
            asked = SearchRequest.of_parameters(parameters(request.query_params))
            return Response(to_json(search_corpus(asked)))
        except InputError as error:
            return refusal(error, "invalid_request_error", status=400)
        except SearchUnavailable as error:
            return refusal(error, "search_unavailable", status=503)


def refusal(error: Exception, kind: str, *, status: int) -> Response:
    told = {"message": str(error), "type": kind, "code": "invalid" if status == 400 else "unavailable"}
    return Response({"error": told}, status=status)

"""Pages of the stores: what a model was trained on, document by document."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from tracing.core.errors import InputError, TracingError
from tracing.models import Store
from tracing.services import document_page, documents_of

MAX_HIGHLIGHT_TOKENS = 4096


@require_GET
def store(request: HttpRequest, name: str) -> HttpResponse:
    """What a store is, and its documents in pages."""
    row = get_object_or_404(Store, name=name)
    first = whole_number(request.GET.get("from", "0"))
    context = {"store": row, "documents": documents_of(row, first), "first": first, "section": "flow"}
    return render(request, "tracing/store.html", context)


@require_GET
def document(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """A whole document, with every place marked where the tokens of ?highlight= stand."""
    row = get_object_or_404(Store, name=name)
    if number >= row.documents:
        raise Http404(f"{name} has {row.documents} documents.")
    highlight = highlighted(request.GET.get("highlight", ""))
    try:
        view = document_page(row, number, highlight, page=whole_number(request.GET.get("page", "0")))
    except InputError as error:
        raise Http404(str(error)) from error
    except TracingError as error:
        return render(request, "tracing/broken.html", {"store": row, "error": error}, status=503)
    return render(request, "tracing/document.html", {"store": row, "number": number, "view": view})


def whole_number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Http404(f"{text[:40]!r} is not a whole number.")
    return int(text)


def highlighted(text: str) -> list[int]:
    """The token ids of a query such as `?highlight=12,7,301`."""
    ids = [whole_number(part) for part in text.split(",")] if text else []
    if len(ids) > MAX_HIGHLIGHT_TOKENS:
        raise Http404(f"At most {MAX_HIGHLIGHT_TOKENS} tokens can be highlighted.")
    return ids

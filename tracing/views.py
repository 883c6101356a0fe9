"""Pages of the stores: what a model was trained on, document by document."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tracing.core.errors import InputError, TracingError
from tracing.documents import document_page, documents_of
from tracing.marks import marked_parts, places_of, web_address
from tracing.models import Store
from tracing.withholding.lookup import DocumentWithheld
from tracing.withholding.views import may_take_down, refusal

MAX_HIGHLIGHT_TOKENS = 4096
MAX_WORDS = 4000


@never_cache
@require_GET
def store(request: HttpRequest, name: str) -> HttpResponse:
    """What a store is, and its documents in pages."""
    row = get_object_or_404(Store, name=name)
    try:
        documents = documents_of(row, whole_number(request.GET.get("from", "0")))
    except TracingError as error:
        return render(request, "tracing/broken.html", {"store": row, "error": error}, status=503)
    return render(request, "tracing/store.html", {"store": row, "documents": documents, "section": "flow"})


@never_cache
@require_GET
def document(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """A whole document, marked where the tokens of ?highlight= stand, or else the words of ?text=."""
    row = get_object_or_404(Store, name=name)
    if number >= row.documents:
        raise Http404(f"{name} has {row.documents} documents.")
    highlight = highlighted(request.GET.get("highlight", ""))
    try:
        view = document_page(row, number, highlight, page=whole_number(request.GET.get("page", "0")) or None)
    except DocumentWithheld as withheld:
        return refusal(request, row, number, withheld.reason)
    except InputError as error:
        raise Http404(str(error)) from error
    except TracingError as error:
        return render(request, "tracing/broken.html", {"store": row, "error": error}, status=503)
    words = request.GET.get("text", "")[:MAX_WORDS]
    matches = view.matches or places_of(view.text, words)
    context = {
        "store": row,
        "words": words,
        "number": number,
        "view": view,
        "url": web_address(view.metadata.get("url")),
        "parts": marked_parts(view.text, matches),
        "highlight": ",".join(map(str, highlight)),
        "may_take_down": may_take_down(request),
    }
    return render(request, "tracing/document.html", context)


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

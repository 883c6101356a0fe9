"""The page of a withheld document, and the forms that take documents down and restore them."""

from collections.abc import Callable

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.audit import Actor
from tracing.core.errors import InputError
from tracing.models import Store, Withholding
from tracing.withholding.acts import restore_documents
from tracing.withholding.acts import take_down as take_down_documents
from tracing.withholding.models import Reason

UNAVAILABLE = 451
"""Not 410: a takedown can be lifted. Not 403: no other account would see more."""
EXPLANATIONS = {
    Reason.TAKEN_DOWN: "An administrator took it down, usually because somebody with a right to it asked.",
    Reason.BLOCKED: "It comes from a source, or is under a licence, whose documents are not shown here.",
    Reason.PERSONAL_DATA: "It holds what looks like personal data, such as somebody's card number.",
}


def may_take_down(request: HttpRequest) -> bool:
    """Staff who may add withholdings, as superusers and those to whom one of them gave the permission."""
    return request.user.is_staff and request.user.has_perm("tracing.add_withholding")


def refusal(request: HttpRequest, store: Store, number: int, reason: str) -> HttpResponse:
    """The page that says that a document is withheld, and why; with its history for administrators."""
    rows = Withholding.objects.filter(store_name=store.name, digest=store.digest, document=number)
    context = {
        "store": store,
        "number": number,
        "reason": reason,
        "explanation": EXPLANATIONS[Reason(reason)],
        "history": rows.select_related("rule") if may_take_down(request) else None,
    }
    return render(request, "tracing/withheld.html", context, status=UNAVAILABLE)


@require_POST
def take_down(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Hide a document everywhere at once."""
    return acted(
        request,
        name,
        number,
        lambda store, note, by: take_down_documents(store=store, documents=[number], note=note, by=by),
    )


@require_POST
def restore(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Lift everything that withholds a document, whatever the reason."""

    def lift_all(store: Store, note: str, by: Actor) -> object:
        rows = Withholding.objects.in_force().filter(store_name=store.name, digest=store.digest)
        return restore_documents(withholdings=rows.filter(document=number), note=note, by=by)

    return acted(request, name, number, lift_all)


def acted(
    request: HttpRequest, name: str, number: int, act: Callable[[Store, str, Actor], object]
) -> HttpResponse:
    """Do it for those who may, and go back to the document's page."""
    if not may_take_down(request):
        raise PermissionDenied("Only administrators take documents down and restore them.")
    store = get_object_or_404(Store, name=name)
    if number >= store.documents:
        raise Http404(f"{name} has {store.documents} documents.")
    try:
        act(store, request.POST.get("note", "").strip(), Actor.of_request(request))
    except InputError as error:
        raise BadRequest(str(error)) from error
    return redirect("document", name, number)

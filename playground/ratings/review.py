"""Pages for administrators: what was flagged, and data sets made of rated chats."""

from django import forms
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.audit import Actor, record_act
from accounts.staff import staff_only
from playground.chat.branches import prompt_before
from playground.models import Consent, Rating
from playground.ratings.datasets import make_dataset
from playground.ratings.models import Opinion
from playground.ratings.rows import FORMATS
from tracing.core.errors import InputError
from training.core.errors import DatasetError

PAGE_FLAGS = 20
EXCERPT_CHARACTERS = 2000


class DatasetForm(forms.Form):
    """What the rows shall be, and under which licence people may see them."""

    format = forms.ChoiceField(choices=list(FORMATS.items()))
    licence = forms.CharField(max_length=200, required=False)


@never_cache
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def ratings(request: HttpRequest) -> HttpResponse:
    """How answers were rated and what was flagged; a POST makes a data set of what was consented to."""
    error = ""
    if request.method == "POST":
        form = DatasetForm(request.POST)
        if form.is_valid():
            try:
                by = Actor.of_request(request)
                dataset = make_dataset(owner=request.user, by=by, **form.cleaned_data)
                return redirect("dataset", dataset.pk)
            except (InputError, DatasetError) as refusal:
                error = str(refusal)
        else:
            error = "Choose what the rows shall be; a licence has 200 characters at most."
    return review_page(request, error)


def review_page(request: HttpRequest, error: str) -> HttpResponse:
    counted = Rating.objects.order_by().values("opinion").annotate(number=Count("id"))
    counts = {row["opinion"]: row["number"] for row in counted}
    flags = Rating.objects.filter(opinion=Opinion.FLAG, reviewed_at=None, message__thread__deleted_at=None)
    flags = flags.select_related("message__checkpoint", "message__parent").order_by("-updated_at")
    page = Paginator(flags, PAGE_FLAGS).get_page(request.GET.get("page"))
    context = {
        "section": "datasets",
        "counts": [(label, counts.get(value, 0)) for value, label in Opinion.choices],
        "consents": Consent.objects.filter(withdrawn_at=None, thread__deleted_at=None).count(),
        "page": page,
        "flags": [(flag, prompt_before(flag.message)) for flag in page],
        "formats": FORMATS.items(),
        "error": error,
        "excerpt": EXCERPT_CHARACTERS,
    }
    return render(request, "playground/ratings/review.html", context, status=422 if error else 200)


@staff_only
@require_POST
def reviewed(request: HttpRequest, pk: int) -> HttpResponse:
    """A flag is dealt with: it leaves the list, and the log says who did."""
    flag = get_object_or_404(Rating, pk=pk, opinion=Opinion.FLAG)
    with transaction.atomic():
        if Rating.objects.filter(pk=pk, reviewed_at=None).update(reviewed_at=timezone.now()):
            record_act(
                by=Actor.of_request(request),
                action="review flag",
                object_type="answer",
                object_id=flag.message_id,
                label=flag.comment[:100] or "without a comment",
            )
    return redirect("ratings")

"""/jobs/new/: a fine-tune is chosen, forecast and queued."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.audit import Actor
from accounts.limits.services import admitted
from accounts.staff import staff_only
from tracing.core.errors import TracingError
from training.core.errors import JobError, TrainingError
from training.datasets.presentation import measure_of, problem_counts
from training.datasets.services import ask_measure
from training.fine_tuning.choosing import Choice, chosen_validation, read_choice
from training.fine_tuning.defaults import default_settings
from training.fine_tuning.estimates import Forecast, forecast
from training.fine_tuning.forms import NumbersForm
from training.fine_tuning.services import start_fine_tune
from training.models import Job

NAMED = ("parent", "stage", "data", "dataset", "clone")


@never_cache
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_job(request: HttpRequest) -> HttpResponse:
    """The form; posted, it queues the job, or has the data counted first."""
    asked = request.POST if request.method == "POST" else request.GET
    try:
        choice = read_choice(request.user, asked.dict(), cloned(asked.get("clone", "")))
    except JobError as error:
        raise Http404(str(error)) from error
    if request.method == "POST" and "count" in request.POST:
        return count_first(request, choice)
    return show_form(request, choice) if request.method != "POST" else start(request, choice)


def cloned(number: str) -> Job | None:
    """The fine-tune that is to be cloned, if one is; a 404 where there is no such."""
    if not number:
        return None
    found = Job.objects.filter(pk=number).exclude(parent=None).first() if is_number(number) else None
    if found is None:
        raise Http404("There is no fine-tune of that number.")
    return found


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def count_first(request: HttpRequest, choice: Choice) -> HttpResponse:
    """Has the data set counted in the parent's tokens, and comes back to the form."""
    try:
        if choice.source and choice.source.dataset and choice.parent:
            ask_measure(dataset=choice.source.dataset, checkpoint=choice.parent)
    except TrainingError as error:
        return show_form(request, choice, error=str(error))
    return redirect(f"{reverse('new-job')}?{urlencode(address_of(choice))}")


def address_of(choice: Choice) -> dict[str, str]:
    """The query that shows the form as it is chosen."""
    named = {
        "parent": choice.parent.name if choice.parent else "",
        "stage": choice.stage.name if choice.stage else "",
        "data": choice.source.value if choice.source else "",
        "clone": str(choice.origin.pk) if choice.origin else "",
    }
    return {key: value for key, value in named.items() if value}


def start(request: HttpRequest, choice: Choice) -> HttpResponse:
    """Queues the job, or shows the form again with what is wrong."""
    if choice.parent is None or choice.stage is None or choice.source is None:
        return show_form(request, choice, error="Choose a checkpoint, a stage and data first.")
    if not choice.measured:
        return count_first(request, choice)
    form = NumbersForm(request.POST, stage=choice.stage.name, proposed={})
    if not form.is_valid():
        return show_form(request, choice, form=form)
    try:
        validation = chosen_validation(choice, request.POST.get("validation", ""))
        with admitted(request, "job"):
            job = start_fine_tune(
                owner=request.user,
                parent=choice.parent,
                stage=choice.stage.name,
                dataset=choice.source.dataset,
                store=choice.source.store,
                validation=validation,
                settings=form.settings,
                name=form.cleaned_data["name"],
                adapter=form.adapter,
                by=Actor.of_request(request),
                later=validation is not None,
            )
    except (TrainingError, TracingError) as error:
        return show_form(request, choice, form=form, error=str(error))
    return redirect("job", job.pk)


def show_form(
    request: HttpRequest, choice: Choice, *, form: NumbersForm | None = None, error: str = ""
) -> HttpResponse:
    refused = bool(error) or form is not None
    context: dict[str, Any] = {"section": "jobs", "choice": choice, "form": form, "error": error}
    if choice.stage and choice.parent and choice.source and choice.measured:
        try:
            context |= numbers(choice, form)
        except (TrainingError, TracingError) as problem:
            context["error"] = error or str(problem)
    context |= data_context(choice)
    template = "training/jobs/_choice.html" if request.htmx and not refused else "training/jobs/new.html"
    return render(request, template, context, status=422 if refused else 200)


def numbers(choice: Choice, form: NumbersForm | None) -> dict[str, Any]:
    """The form of numbers with what is proposed, and the forecast. Raises TrainingError or TracingError."""
    assert choice.parent is not None  # as the caller has seen
    assert choice.stage is not None
    store = choice.store
    proposed = default_settings(stage=choice.stage.name, parent=choice.parent, store=store)
    if choice.origin is not None and choice.origin.stage == choice.stage.name:
        proposed |= {k: v for k, v in choice.origin.config.items() if k not in ("store", "planned_s")}
    shown = form or NumbersForm(stage=choice.stage.name, proposed=proposed)
    expected = None
    if store is not None:
        expected = forecast(stage=choice.stage.name, parent=choice.parent, store=store, settings=proposed)
    return {"form": shown, "forecast": expected, "store": store}


def data_context(choice: Choice) -> dict[str, Any]:
    """What is known of the chosen upload."""
    dataset = choice.source.dataset if choice.source else None
    if dataset is None:
        return {"measuring": False}
    return {
        "dataset": dataset,
        "counts": problem_counts(dataset),
        "measuring": dataset.measuring_id is not None,
        "measure": measure_of(dataset, choice.parent),
    }


@never_cache
@staff_only
@require_GET
def estimate(request: HttpRequest) -> HttpResponse:
    """The forecast for the numbers as they stand in the form; htmx asks whenever one changes."""
    expected, error = None, ""
    try:
        choice = read_choice(request.user, request.GET.dict())
        if choice.stage and choice.parent and choice.source and choice.measured:
            expected, error = typed_forecast(request, choice)
    except (TrainingError, TracingError) as problem:
        error = str(problem)
    return render(request, "training/jobs/_forecast.html", {"forecast": expected, "forecast_error": error})


def typed_forecast(request: HttpRequest, choice: Choice) -> tuple[Forecast | None, str]:
    """Raises TrainingError or TracingError."""
    assert choice.stage is not None  # as the caller has seen
    form = NumbersForm(request.GET, stage=choice.stage.name, proposed={})
    if not form.is_valid():
        problems = (f"{form.fields[name].label}: {texts[0]}" for name, texts in form.errors.items())
        return None, " ".join(problems)
    store = choice.store
    if store is None or choice.parent is None:
        return None, ""
    return forecast(stage=choice.stage.name, parent=choice.parent, store=store, settings=form.settings), ""

"""The flow page: the graph of stages and checkpoints, what each was trained on, curves, logs and times."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from training.by_length.charts import length_charts
from training.by_length.scores import length_scores
from training.charts import main_chart
from training.models import Flow
from training.overview import FlowOverview, StageView, flow_overview, read_log, read_metrics

SCORE_WORDS = {
    "greedy": "held-out sums, greedy",
    "sampled": "held-out sums, sampled at temperature 1",
    "well_formed": "well-formed thinking",
}


def newest_overview() -> FlowOverview | None:
    flow = Flow.objects.of_recipes().first()
    return flow_overview(flow) if flow else None


@require_GET
def flow(request: HttpRequest) -> HttpResponse:
    """A flow, by default the newest; htmx asks for its live part again every two seconds while it runs."""
    flows = list(Flow.objects.all())
    if not flows:
        return render(request, "training/no_flow.html", {"section": "flow"})
    asked = request.GET.get("flow", "")
    newest = Flow.objects.of_recipes().first() or flows[0]
    overview = flow_overview(get_object_or_404(Flow, name=asked) if asked else newest)
    stage = chosen_stage(overview, request.GET.get("stage", ""))
    context = {
        "section": "flow",
        "overview": overview,
        "flows": flows,
        "live": not (overview.finished or overview.failed),
        "stage": stage,
        "chart": main_chart(read_metrics(stage.job)),
        "log": read_log(stage.job),
        "scores": named_scores(stage.scores),
        "length_charts": length_charts(length_scores(stage.final)) if stage.final else [],
    }
    return render(request, "training/_flow.html" if request.htmx else "training/flow.html", context)


def chosen_stage(overview: FlowOverview, name: str) -> StageView:
    """The stage that was asked for; else the one at work, or the last."""
    asked = next((stage for stage in overview.stages if stage.job.stage == name), None)
    return asked or overview.current or overview.stages[-1]


def named_scores(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Scores in words."""
    rows = [(words, f"{100 * scores[key]:.0f} %") for key, words in SCORE_WORDS.items() if key in scores]
    if "recited" in scores:
        of = int(scores.get("recited_of", 0))
        rows.append(("library answers recited to the letter", f"{int(scores['recited'])} of {of}"))
    return rows


@require_GET
def banner(request: HttpRequest) -> HttpResponse:
    """One line above the chat while a flow is at work."""
    context = {"overview": newest_overview(), "fresh": True, "watching": "watching" in request.GET}
    return render(request, "training/_flow_banner.html", context)

"""The pages of evaluations: scores along a flow, and one evaluation with where its questions occur."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from training.by_length.charts import length_charts
from training.by_length.scores import measured_by_length
from training.evaluation_report import badge_words
from training.models import Evaluation, Flow
from training.standings import findings_of, flow_standings, named_scores, stage_counts


@require_GET
def evaluations(request: HttpRequest) -> HttpResponse:
    """The scores of a flow's checkpoints on one task; by default the newest flow's on its newest task."""
    flows = list(Flow.objects.all())
    if not flows:
        return render(request, "training/no_flow.html", {"section": "flow"})
    flow = get_object_or_404(Flow, name=request.GET["flow"]) if request.GET.get("flow") else flows[0]
    standings = flow_standings(flow, request.GET.get("task", ""))
    lengths = [(checkpoint, length_charts(scores)) for checkpoint, scores in measured_by_length(flow)]
    context = {"section": "flow", "flows": flows, "standings": standings, "lengths": lengths}
    return render(request, "training/evaluations.html", context)


@require_GET
def evaluation(request: HttpRequest, number: int) -> HttpResponse:
    """One evaluation: settings, scores, and where its questions occur."""
    rows = Evaluation.objects.select_related("checkpoint", "checkpoint__job__flow")
    row = get_object_or_404(rows, pk=number)
    context = {
        "section": "flow",
        "evaluation": row,
        "scores": named_scores(row),
        "badge": badge_words(row),
        "stages": stage_counts(row),
        "findings": findings_of(row),
    }
    return render(request, "training/evaluation.html", context)

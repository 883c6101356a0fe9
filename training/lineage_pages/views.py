"""/lineage/: the graph of everything that was trained or imported here."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from training.lineage_pages.drawing import whole_graph
from training.models import Flow


@never_cache
@require_GET
def lineage(request: HttpRequest) -> HttpResponse:
    """Every flow in one graph, or one flow with what it starts from."""
    flow = get_object_or_404(Flow, name=request.GET["flow"]) if request.GET.get("flow") else None
    context = {
        "section": "models",
        "flows": Flow.objects.all(),
        "flow": flow,
        "graph": whole_graph(flow.name if flow else ""),
    }
    return render(request, "training/lineage/page.html", context)

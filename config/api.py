"""Every resource of /api/, its schema and its page."""

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.usage.api import UsageRows
from playground.api.models import Models
from playground.api.threads import Messages, Threads
from playground.api.traces import Shares, Traces
from tracing.api.corpora import Corpora
from training.api.checkpoints import Checkpoints
from training.api.jobs import Jobs

router = SimpleRouter()
router.register("threads", Threads, "api-threads")
router.register("messages", Messages, "api-messages")
router.register("models", Models, "api-models")
router.register("checkpoints", Checkpoints, "api-checkpoints")
router.register("jobs", Jobs, "api-jobs")
router.register("corpora", Corpora, "api-corpora")
router.register("traces", Traces, "api-traces")
router.register("shares", Shares, "api-shares")
router.register("usage", UsageRows, "api-usage")

schema = SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[], throttle_classes=[])
docs = SpectacularSwaggerSplitView.as_view(
    url_name="api-schema",
    template_name="api/docs.html",
    authentication_classes=[],
    permission_classes=[],
    throttle_classes=[],
)


def unknown_address(request: HttpRequest) -> JsonResponse:
    """Programs are told in the form of every other error."""
    message = f"There is nothing at {request.path:.200}. /api/docs/ lists what there is."
    told = {"message": message, "type": "api_error", "code": "not_found"}
    return JsonResponse({"error": told}, status=404)


urlpatterns: list[URLPattern | URLResolver] = [
    path("schema/", schema, name="api-schema"),
    path("docs/", docs, name="api-docs"),
    path("", include(router.urls)),
    re_path(r"^(?!search/)", unknown_address),
]

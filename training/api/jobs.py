"""Jobs, for programs: read, paused, resumed and cancelled. POST /v1/fine_tuning/jobs starts them."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.audit import Actor
from accounts.authentication import Caller, needs_scope
from accounts.models import Scope
from accounts.rest.problems import Conflict
from accounts.rest.resources import Resource
from accounts.rest.schema import ProblemSerializer
from training.api.rollouts import RolloutsSerializer
from training.core.errors import JobError
from training.fine_tuning.acts import steer_job
from training.models import Job
from training.rollouts.counts import rollout_counts
from training.rollouts.steps import asked_step, read_step


class JobSerializer(serializers.ModelSerializer[Job]):
    """One stage of a flow, or a fine-tune."""

    flow = serializers.SlugRelatedField("name", read_only=True)
    parent = serializers.SlugRelatedField("name", read_only=True, allow_null=True)
    condition = serializers.CharField(read_only=True, help_text="Its state in words.")
    checkpoints = serializers.SlugRelatedField("name", many=True, read_only=True)

    class Meta:
        model = Job
        fields = (
            "id",
            "flow",
            "stage",
            "position",
            "state",
            "wanted",
            "condition",
            "phase",
            "done",
            "total",
            "unit",
            "eta_s",
            "parent",
            "dataset",
            "config",
            "checkpoints",
            "attempts",
            "error",
            "started_at",
            "finished_at",
            "cpu_s",
        )
        read_only_fields = fields


class JobFilter(django_filters.FilterSet):
    flow = django_filters.CharFilter("flow__name", label="Name of the flow or fine-tune.")
    parent = django_filters.CharFilter("parent__name", label="The checkpoint that a fine-tune starts from.")

    class Meta:
        model = Job
        fields: ClassVar[list[str]] = ["stage", "state"]


STEERED: dict[int, Any] = {
    200: JobSerializer,
    409: OpenApiResponse(ProblemSerializer, description="Its state does not allow it now."),
}
NO_STEP = OpenApiResponse(ProblemSerializer, description="No such step is on record.")
steering = extend_schema(request=None, responses=STEERED)


class Jobs(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """Every stage of every flow, and the fine-tunes."""

    queryset = Job.objects.order_by("-pk")
    serializer_class = JobSerializer
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.TRAIN)]
    filterset_class = JobFilter
    ordering_fields: ClassVar[list[str]] = ["id", "stage", "state", "started_at", "finished_at"]

    def rows(self, found: QuerySet[Job]) -> QuerySet[Job]:
        """All: whoever may train may see what is being trained."""
        return found.select_related("flow", "parent").prefetch_related("checkpoints")

    @extend_schema(
        parameters=[OpenApiParameter("step", int, description="A step, from 1; by default the last.")],
        responses={200: RolloutsSerializer, 409: NO_STEP},
    )
    @action(detail=True, methods=["get"])
    def rollouts(self, request: Request, pk: str) -> Response:
        """What reinforcement learning tried: groups learned from and dropped, and one step's answers."""
        job = self.get_object()
        counts = rollout_counts(job)
        try:
            step = read_step(job, asked_step(request.query_params.get("step", "")))
        except JobError as error:
            raise Conflict(str(error)) from error
        return Response({"counts": counts and counts.to_json(), **step.to_json()})

    @steering
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Free its worker; what it learned is saved."""
        return self.steer(request, "pause")

    @steering
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on from where it was paused, or failed."""
        return self.steer(request, "resume")

    @steering
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End it for good; its last step stays as a checkpoint."""
        return self.steer(request, "cancel")

    def steer(self, request: Request, act: str) -> Response:
        job = self.get_object()
        assert isinstance(request.auth, Caller)
        try:
            steer_job(job, act, by=Actor.of_request(request._request, request.auth.key))
        except JobError as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(self.get_queryset().get(pk=job.pk)).data)

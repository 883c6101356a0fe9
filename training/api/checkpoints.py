"""Checkpoints, for programs."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import mixins, serializers

from accounts.authentication import needs_scope
from accounts.models import Scope
from accounts.rest.resources import Resource
from training.access import checkpoints_for
from training.models import Checkpoint


class CheckpointSerializer(serializers.ModelSerializer[Checkpoint]):
    """A published checkpoint: what it descends from, what it read, what it scored, what it cost."""

    parents = serializers.SlugRelatedField("name", many=True, read_only=True)
    base = serializers.SlugRelatedField(
        "name", read_only=True, allow_null=True, help_text="Of an adapter: what it goes on."
    )
    corpora = serializers.SlugRelatedField("name", source="stores", many=True, read_only=True)
    job = serializers.PrimaryKeyRelatedField(read_only=True, allow_null=True)

    class Meta:
        model = Checkpoint
        fields = (
            "name",
            "stage",
            "step",
            "steps",
            "final",
            "digest",
            "tokenizer",
            "chat",
            "thinking",
            "parents",
            "base",
            "corpora",
            "job",
            "scores",
            "metrics",
            "config",
            "code_commit",
            "cost",
            "lineage_cost",
            "damage",
            "created_at",
        )
        read_only_fields = fields


class CheckpointFilter(django_filters.FilterSet):
    parent = django_filters.CharFilter("parents__name", label="Name of a checkpoint that it came from.")
    corpus = django_filters.CharFilter("stores__name", label="Name of a store that its own stage read.")

    class Meta:
        model = Checkpoint
        fields: ClassVar[list[str]] = ["stage", "final", "thinking", "tokenizer"]


class Checkpoints(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """The checkpoints that are open to the caller."""

    queryset = Checkpoint.objects.order_by("-created_at", "-id")
    serializer_class = CheckpointSerializer
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.CHAT, Scope.TRACE, Scope.TRAIN)]
    filterset_class = CheckpointFilter
    ordering_fields: ClassVar[list[str]] = ["name", "stage", "step", "created_at"]
    lookup_field = "name"

    def rows(self, found: QuerySet[Checkpoint]) -> QuerySet[Checkpoint]:
        open_to_them = checkpoints_for(self.user).values("pk")
        return found.filter(pk__in=open_to_them).select_related("base").prefetch_related("parents", "stores")

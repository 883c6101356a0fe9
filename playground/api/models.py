"""Models to talk to, for programs; /api/checkpoints/ has the whole of each."""

from typing import Any, ClassVar

import django_filters
from rest_framework import serializers

from accounts.authentication import needs_scope
from accounts.models import Scope
from playground.openai.models import loaded_ids
from training.api.checkpoints import Checkpoints
from training.models import Checkpoint


class ModelSerializer(serializers.ModelSerializer[Checkpoint]):
    """What a chat needs to know of a model."""

    loaded = serializers.SerializerMethodField(help_text="An engine holds it: it answers at once.")
    base = serializers.SlugRelatedField("name", read_only=True, allow_null=True)

    class Meta:
        model = Checkpoint
        fields = ("name", "stage", "step", "final", "chat", "thinking", "base", "loaded", "created_at")
        read_only_fields = fields

    def get_loaded(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.pk in self.context["loaded"]


class ModelFilter(django_filters.FilterSet):
    class Meta:
        model = Checkpoint
        fields: ClassVar[list[str]] = ["stage", "final", "thinking", "chat"]


class Models(Checkpoints):
    """The models that the caller may talk to, newest first."""

    serializer_class = ModelSerializer  # type: ignore[assignment]
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.CHAT, Scope.TRACE, Scope.TRAIN)]
    filterset_class = ModelFilter  # type: ignore[assignment]

    def get_serializer_context(self) -> dict[str, Any]:
        return super().get_serializer_context() | {"loaded": loaded_ids()}

"""The stores that traces search, for programs."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import mixins, serializers

from accounts.authentication import needs_scope
from accounts.models import Scope
from accounts.rest.resources import Resource
from tracing.models import Store


class CorpusSerializer(serializers.ModelSerializer[Store]):
    """A token store: documents, in the tokens of one tokenizer, that a stage read or that was imported."""

    here = serializers.BooleanField(source="is_here", help_text="Its files are on this machine.")

    class Meta:
        model = Store
        fields = (
            "name",
            "stage",
            "source",
            "licence",
            "digest",
            "tokenizer",
            "tokens",
            "documents",
            "here",
            "created_at",
        )
        read_only_fields = fields


class CorpusFilter(django_filters.FilterSet):
    tokens_min = django_filters.NumberFilter("tokens", lookup_expr="gte", min_value=0, max_value=2**62)
    tokens_max = django_filters.NumberFilter("tokens", lookup_expr="lte", min_value=0, max_value=2**62)

    class Meta:
        model = Store
        fields: ClassVar[list[str]] = ["stage", "licence", "tokenizer"]


class Corpora(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """Stores of documents that models were trained on. Search them at /api/search/."""

    queryset = Store.objects.order_by("name")
    serializer_class = CorpusSerializer
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.TRACE, Scope.TRAIN)]
    filterset_class = CorpusFilter
    ordering_fields: ClassVar[list[str]] = ["name", "stage", "tokens", "documents", "created_at"]
    lookup_field = "name"

    def rows(self, found: QuerySet[Store]) -> QuerySet[Store]:
        """All: whoever may trace may read the corpora."""
        return found

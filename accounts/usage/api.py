"""/api/usage/: what the caller's account has used, for programs."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import mixins, serializers

from accounts.authentication import needs_scope
from accounts.models import Scope
from accounts.rest.resources import Resource
from accounts.usage.models import Usage


class UsageSerializer(serializers.ModelSerializer[Usage]):
    """What was used on one day, of one model, by one key or in the browser."""

    key = serializers.CharField(source="key_prefix", help_text="Prefix of the key; empty: in the browser.")

    class Meta:
        model = Usage
        fields = (
            "day",
            "account",
            "key",
            "model",
            "kind",
            "requests",
            "prompt_tokens",
            "completion_tokens",
            "engine_ms",
            "cost",
        )
        read_only_fields = fields


class UsageFilter(django_filters.FilterSet):
    since = django_filters.DateFilter("day", lookup_expr="gte", label="The first day.")
    until = django_filters.DateFilter("day", lookup_expr="lte", label="The last day.")
    key = django_filters.CharFilter("key_prefix", label="Prefix of the key.")

    class Meta:
        model = Usage
        fields: ClassVar[list[str]] = ["model", "kind"]


class UsageRows(mixins.ListModelMixin, Resource):
    """The caller's own; with the scope admin, everybody's."""

    queryset = Usage.objects.order_by("-day", "account", "model", "kind", "key_prefix")
    serializer_class = UsageSerializer
    permission_classes: ClassVar[list[Any]] = [needs_scope(*Scope.values)]
    filterset_class = UsageFilter
    ordering_fields: ClassVar[list[str]] = ["day", "model", "requests", "completion_tokens", "cost"]

    def rows(self, found: QuerySet[Usage]) -> QuerySet[Usage]:
        everything = self.user.is_staff and self.request.auth.allows(Scope.ADMIN)
        return found if everything else found.filter(user=self.user)

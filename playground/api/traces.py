"""Kept traces and their links, for their owner's programs. POST /v1/traces makes them."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import needs_scope
from accounts.models import Scope
from accounts.rest.resources import Resource
from tracing.models import KeptTrace, Share
from tracing.sharing import revoke_shares, shares_of
from tracing.withholding.hiding import hide_withheld


class TraceSerializer(serializers.ModelSerializer[KeptTrace]):
    """A kept trace, without its content."""

    public_id = serializers.CharField(read_only=True, help_text="Its id in /v1.")
    title = serializers.CharField(read_only=True)

    class Meta:
        model = KeptTrace
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "public_id",
            "title",
            "kind",
            "origin",
            "model",
            "created_at",
        )
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class WholeTraceSerializer(TraceSerializer):
    """With its content, less what is withheld now."""

    content = serializers.SerializerMethodField()

    class Meta(TraceSerializer.Meta):
        fields = (*TraceSerializer.Meta.fields, "content")
        read_only_fields = fields

    @extend_schema_field(dict)
    def get_content(self, kept: KeptTrace) -> dict[str, Any]:
        return hide_withheld(kept.content)


class TraceFilter(django_filters.FilterSet):
    text = django_filters.CharFilter("text", lookup_expr="icontains", label="Words of the traced text.")
    created_after = django_filters.IsoDateTimeFilter("created_at", lookup_expr="gte")

    class Meta:
        model = KeptTrace
        fields: ClassVar[list[str]] = ["model", "kind", "origin"]


class Traces(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, Resource):
    """The caller's own kept traces. Deleting one ends its links."""

    queryset = KeptTrace.objects.order_by("-created_at")
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.TRACE)]
    filterset_class = TraceFilter
    ordering_fields: ClassVar[list[str]] = ["created_at", "model"]

    def get_serializer_class(self) -> type[TraceSerializer]:
        return WholeTraceSerializer if self.action == "retrieve" else TraceSerializer

    def rows(self, found: QuerySet[KeptTrace]) -> QuerySet[KeptTrace]:
        return found.filter(pk__in=KeptTrace.objects.of(self.owner).values("pk"))


class ShareSerializer(serializers.ModelSerializer[Share]):
    """A link by which anybody may read a kept trace."""

    path = serializers.SerializerMethodField(help_text="Of the page that the link leads to.")
    living = serializers.BooleanField(source="is_living", read_only=True)

    class Meta:
        model = Share
        fields = ("id", "trace", "path", "living", "created_at", "expires_at", "revoked_at")
        read_only_fields = fields

    def get_path(self, share: Share) -> str:
        return f"/shared/{share.token}/"


class Shares(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """The caller's own links, those that ended too."""

    queryset = Share.objects.order_by("-created_at")
    serializer_class = ShareSerializer
    permission_classes: ClassVar[list[Any]] = [needs_scope(Scope.TRACE)]
    filterset_fields: ClassVar[list[str]] = ["trace"]
    ordering_fields: ClassVar[list[str]] = ["created_at", "expires_at"]

    def rows(self, found: QuerySet[Share]) -> QuerySet[Share]:
        return found.filter(pk__in=shares_of(self.owner).values("pk"))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The link leads nowhere from now on."""
        revoke_shares(trace=self.get_object().trace)
        return Response(status=204)

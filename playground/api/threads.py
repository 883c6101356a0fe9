"""Threads and their messages, for their owner's programs. Answers are asked for by /v1 or in the page."""

from typing import Any, ClassVar

import django_filters
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import needs_scope
from accounts.models import Scope
from accounts.rest.resources import Resource
from playground.beside.models import Lineup
from playground.chat.answer_stream import AnswerStream
from playground.history.services import delete_thread, rename_thread, restore_thread
from playground.models import CallRecord, Message, Thread
from tracing.withholding.hiding import hide_withheld

CHAT: list[Any] = [needs_scope(Scope.CHAT)]


class ThreadSerializer(serializers.ModelSerializer[Thread]):
    """A conversation. `leaf` is the end of the path that its page shows."""

    title = serializers.CharField(max_length=200)

    class Meta:
        model = Thread
        fields = ("id", "title", "temporary", "leaf", "created_at", "updated_at")
        read_only_fields = ("id", "temporary", "leaf", "created_at", "updated_at")


class ThreadFilter(django_filters.FilterSet):
    title = django_filters.CharFilter("title", lookup_expr="icontains", label="Words of the title.")
    updated_after = django_filters.IsoDateTimeFilter("updated_at", lookup_expr="gte")
    updated_before = django_filters.IsoDateTimeFilter("updated_at", lookup_expr="lt")

    class Meta:
        model = Thread
        fields: ClassVar[list[str]] = ["temporary"]


class Threads(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """The caller's own conversations, without those of a blind comparison before its vote."""

    queryset = Thread.objects.order_by("-updated_at")
    serializer_class = ThreadSerializer
    permission_classes: ClassVar[list[Any]] = CHAT
    filterset_class = ThreadFilter
    ordering_fields: ClassVar[list[str]] = ["title", "created_at", "updated_at"]

    def rows(self, found: QuerySet[Thread]) -> QuerySet[Thread]:
        mine = found.filter(owner=self.user).exclude(seat__lineup__in=Lineup.objects.veiled())
        return mine if self.action == "restore" else mine.filter(deleted_at=None)

    @extend_schema(request=ThreadSerializer, responses=ThreadSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Give it another title."""
        thread = self.get_object()
        asked = self.get_serializer(thread, data=request.data)
        asked.is_valid(raise_exception=True)
        rename_thread(thread=thread, title=asked.validated_data["title"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; it can be had back for a while by `restore`. An answer that is being written stops."""
        for answer in delete_thread(thread=self.get_object()):
            async_to_sync(AnswerStream(answer.pk).ask_to_stop)()
        return Response(status=204)

    @extend_schema(request=None, responses=ThreadSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Have a deleted one back."""
        thread = self.get_object()
        restore_thread(thread=thread)
        return Response(self.get_serializer(thread).data)


class CallSerializer(serializers.ModelSerializer[CallRecord]):
    """A function that an answer called, and what came of it."""

    arguments = serializers.DictField()

    class Meta:
        model = CallRecord
        fields = ("function", "arguments", "state", "result")
        read_only_fields = fields


class MessageSerializer(serializers.ModelSerializer[Message]):
    """One turn. `parent` is the message before it: what was edited or asked again has siblings."""

    text = serializers.CharField(source="raw_text", help_text="All that was written, thinking included.")
    model = serializers.SlugRelatedField("name", source="checkpoint", read_only=True, allow_null=True)
    calls = CallSerializer(many=True, read_only=True)

    class Meta:
        model = Message
        fields = (
            "id",
            "thread",
            "parent",
            "position",
            "role",
            "state",
            "text",
            "token_ids",
            "model",
            "parameters",
            "calls",
            "finish_reason",
            "error",
            "thinking_s",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class MessageFilter(django_filters.FilterSet):
    text = django_filters.CharFilter("raw_text", lookup_expr="icontains", label="Words of the text.")
    model = django_filters.CharFilter("checkpoint__name", label="Name of the model that wrote it.")

    class Meta:
        model = Message
        fields: ClassVar[list[str]] = ["thread", "role", "state"]


class Messages(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """The messages of the caller's own conversations."""

    queryset = Message.objects.order_by("thread", "position", "created_at")
    serializer_class = MessageSerializer
    permission_classes: ClassVar[list[Any]] = CHAT
    filterset_class = MessageFilter
    ordering_fields: ClassVar[list[str]] = ["created_at", "position"]

    def rows(self, found: QuerySet[Message]) -> QuerySet[Message]:
        mine = found.filter(thread__owner=self.user, thread__deleted_at=None)
        mine = mine.exclude(thread__seat__lineup__in=Lineup.objects.veiled())
        return mine.select_related("checkpoint").prefetch_related("calls")

    @extend_schema(responses={200: dict})
    @action(detail=True, url_path="trace", permission_classes=[needs_scope(Scope.TRACE)])
    def sources(self, request: Request, pk: str) -> Response:
        """Where an answer comes from, as POST /v1/traces answers; empty where it has no trace."""
        return Response(hide_withheld(self.get_object().trace or {}))

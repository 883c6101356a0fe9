"""How the OpenAPI schema tells of our authentication and our errors."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers


class KeyOrSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.KeyOrSession"
    name = ["key", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer KEY`."},
            {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in browser."},
        ]


def only_api(endpoints: list[Any]) -> list[Any]:
    """The operations of /api/, without the schema itself and its page."""
    own = ("/api/schema/", "/api/docs/")
    return [found for found in endpoints if found[0].startswith("/api/") and not found[0].startswith(own)]


class ErrorSerializer(serializers.Serializer[Any]):
    """What went wrong."""

    message = serializers.CharField()
    type = serializers.CharField()
    code = serializers.CharField()
    fields = serializers.DictField(required=False, help_text="What is wrong with each field of the request.")


class ProblemSerializer(serializers.Serializer[Any]):
    """Every answer that is not a success."""

    error = ErrorSerializer()


class Schema(AutoSchema):
    """Adds to each operation the errors that any of them may answer with."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        statuses = {"401": "No valid key.", "403": "The key lacks a scope.", "429": "A limit is used up."}
        if operation.get("parameters") or "requestBody" in operation:
            statuses["400"] = "The request cannot be understood."
        if any(parameter["in"] in {"path", "query"} for parameter in operation.get("parameters", [])):
            statuses["404"] = "There is no such thing, or it is not yours."
        problem = self.resolve_serializer(ProblemSerializer(), "response").ref
        for status, description in statuses.items():
            content = {"application/json": {"schema": problem}}
            operation["responses"].setdefault(status, {"description": description, "content": content})
        return operation

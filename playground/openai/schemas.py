"""The bodies of /v1/traces."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from playground.openai.body import Body, Name

Values = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=64)]


class TraceBody(Body):
    """POST /v1/traces: one of a text, token ids, or an answer of the caller's own chats."""

    model: Name | None = None
    text: str | None = None
    token_ids: list[int] | None = Field(default=None, max_length=65_536)
    message: UUID | None = None
    raw: bool | None = None
    min_tokens: int | None = Field(default=None, ge=1, le=65_536)
    density: float | None = Field(default=None, allow_inf_nan=False)
    max_documents: int | None = None
    stages: list[Name] | None = Field(default=None, max_length=16)
    corpora: Values | None = None
    licences: Values | None = None
    sources: Values | None = None
    relevance: Literal["high", "medium", "low"] | None = None
    added_since: Name | None = None
    store: bool = True

    @field_validator("message", mode="before")
    @classmethod
    def read_message(cls, value: object) -> object:
        """JSON has no UUIDs, so strictness must not refuse their texts."""
        try:
            return UUID(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError("it must be the id of a message") from error

    @model_validator(mode="after")
    def check_subject(self) -> Self:
        given = [name for name in ("text", "token_ids", "message") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("Give exactly one of text, token_ids and message.")
        if self.model is None and self.message is None:
            raise ValueError("Give the model whose training data is to be searched.")
        return self

    def options(self) -> dict[str, Any]:
        return {
            "raw": self.raw,
            "min_tokens": self.min_tokens,
            "density": self.density,
            "max_documents": self.max_documents,
            "stages": self.stages,
            "corpora": self.corpora,
            "licences": self.licences,
            "sources": self.sources,
            "relevance": self.relevance,
            "added_since": self.added_since,
        }


class ShareBody(Body):
    """POST /v1/traces/ID/share: how long the link leads somewhere; without a time, until it is revoked."""

    expires_in_s: int | None = Field(default=None, ge=60, le=366 * 24 * 3600)

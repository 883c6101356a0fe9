"""What programs may send to /v1. Strict: no number is taken for a text, and nothing is ignored in silence."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from playground.core.sampling import SamplingParameters

Name = Annotated[str, Field(min_length=1, max_length=200)]
Values = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=64)]
IGNORED = {
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
}
"""Arguments of OpenAI's API that change nothing in an answer of ours."""
NOT_YET: dict[str, tuple[object, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "n": (1,),
}
"""Arguments that would change the answer and that we do not have; these values ask for nothing."""


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TextPart(Body):
    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One turn. What an assistant thought is not sent back to it."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    def turn(self) -> dict[str, str]:
        """As chat templates take it."""
        parts = self.content or ""
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(Body):
    include_usage: bool = False


class ChatRequest(Body):
    """POST /v1/chat/completions. Bounds of the numbers are those of SamplingParameters."""

    model: Name
    messages: list[ChatMessage] = Field(min_length=1, max_length=5000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    return_token_ids: bool = False

    @model_validator(mode="before")
    @classmethod
    def refuse_what_is_not_there(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        for name, harmless in NOT_YET.items():
            if body.get(name) is not None and body[name] not in harmless:
                raise ValueError(f"{name} is not supported here yet; leave it out")
        return {key: value for key, value in body.items() if key not in IGNORED | NOT_YET.keys()}

    def parameters(self) -> SamplingParameters:
        """How to sample; ParameterError names what is out of bounds."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "stop": stop,
            "seed": self.seed,
        }
        return SamplingParameters.from_dict({k: v for k, v in values.items() if v is not None})


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

"""The body of POST /v1/chat/completions."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from playground.core.errors import ParameterError
from playground.core.sampling import SamplingParameters
from playground.core.tools import Function, read_functions
from playground.core.tools.functions import check_schema
from playground.core.tools.structure import MAX_CALLS, Format, calls_format, json_format, one_of
from playground.openai.body import Body, Name, StreamOptions
from playground.openai.choices import Wanted
from playground.openai.messages import ChatMessage
from playground.openai.tool_bodies import NamedTool, ToolBody

MAX_CHOICES = 16
IGNORED = {
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
}
"""Arguments of OpenAI's API that change nothing in an answer of ours."""
NOT_THERE: dict[str, tuple[object, ...]] = {
    "audio": (),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "prediction": (),
    "web_search_options": (),
}
"""Arguments that would change the answer and that we do not have; these values ask for nothing."""
INSTEAD = {"functions": "send tools", "function_call": "send tool_choice"}


class PlainFormat(Body):
    type: Literal["text", "json_object"]

    def form(self) -> Format | None:
        return json_format({"type": "object"}) if self.type == "json_object" else None


class Schema(Body):
    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class SchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: Schema

    def form(self) -> Format:
        check_schema("response_format", self.json_schema.schema_, of=self.json_schema.name)
        return json_format(self.json_schema.schema_)


ResponseFormat = Annotated[PlainFormat | SchemaFormat, Field(discriminator="type")]


class SamplingBody(Body):
    """What chats and completions take alike. Bounds of the numbers are those of SamplingParameters."""

    model: Name
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self, **others: Any) -> SamplingParameters:
        """How to sample; ParameterError names what is out of bounds."""
        names = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "logit_bias")
        values = {name: getattr(self, name) for name in names} | others
        values["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        return SamplingParameters.from_dict({k: v for k, v in values.items() if v is not None})


class TemplateOptions(Body):
    """What the model's template may be told about thinking, by the names that templates use."""

    enable_thinking: bool | None = None
    thinking: bool | None = None
    reasoning_effort: Literal["low", "medium", "high"] | None = None


class ChatRequest(SamplingBody):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=5000)
    max_completion_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[ToolBody] = Field(default_factory=list, max_length=64)
    tool_choice: Literal["none", "auto", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool = True
    response_format: ResponseFormat | None = None
    return_token_ids: bool = False
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    chat_template_kwargs: TemplateOptions = Field(default_factory=TemplateOptions)

    @property
    def thinking(self) -> tuple[bool | None, str]:
        """Whether and how much the model shall think: (None, "") leaves it to the model."""
        told = self.chat_template_kwargs
        switch = told.thinking if told.enable_thinking is None else told.enable_thinking
        if switch is None and self.reasoning_effort == "none":
            switch = False
        nearest = {"minimal": "low", "xhigh": "high", "none": ""}
        asked = nearest.get(self.reasoning_effort or "", self.reasoning_effort or "")
        return switch, told.reasoning_effort or asked

    @model_validator(mode="before")
    @classmethod
    def refuse_what_is_not_there(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        for name, harmless in NOT_THERE.items():
            if body.get(name) is not None and body[name] not in harmless:
                raise ValueError(f"{name} is not supported here; {INSTEAD.get(name, 'leave it out')}")
        return without_nothing(body, IGNORED | NOT_THERE.keys())

    @model_validator(mode="after")
    def check_combinations(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if self.tool_choice not in ("none", "auto") and not self.tools:
            raise ValueError("tool_choice needs tools to choose from")
        return self

    def parameters(self) -> SamplingParameters:
        """How to sample; ParameterError names what is out of bounds."""
        most = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        logprobs = (self.top_logprobs or 0) if self.logprobs else None
        return self.sampling(max_tokens=most, logprobs=logprobs, structure=self.structure())

    @property
    def wanted(self) -> Wanted:
        logprobs = (self.top_logprobs or 0) if self.logprobs else None
        return Wanted(self.return_token_ids, logprobs, calls=bool(self.functions))

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Those that the model is told of: none where it may call none."""
        if self.tool_choice == "none":
            return ()
        return read_functions([tool.model_dump() for tool in self.tools])

    def structure(self) -> Format | None:
        """The form of the answer: that of a call where one is required, else what response_format says."""
        form = self.response_format.form() if self.response_format else None
        functions = self.functions
        most = MAX_CALLS if self.parallel_tool_calls else 1
        if isinstance(self.tool_choice, NamedTool):
            return calls_format([self.named(functions, self.tool_choice.function.name)], most=1)
        if self.tool_choice == "required":
            return calls_format(functions, most=most)
        return one_of([calls_format(functions, most=most), form]) if functions and form else form

    def named(self, functions: tuple[Function, ...], name: str) -> Function:
        found = next((function for function in functions if function.name == name), None)
        if found is None:
            raise ParameterError("tool_choice", f"tool_choice names {name!r:.80}: it is none of the tools.")
        return found


def without_nothing(body: Mapping[str, Any], ignored: set[str]) -> dict[str, Any]:
    """Without what is ignored, and what is null: clients send null for what they leave out."""
    return {key: value for key, value in body.items() if key not in ignored and value is not None}

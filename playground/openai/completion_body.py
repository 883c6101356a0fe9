"""The body of POST /v1/completions."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from playground.core.errors import ParameterError
from playground.core.sampling import SamplingParameters
from playground.openai.chat_body import IGNORED, ResponseFormat, SamplingBody, without_nothing

DEFAULT_NEW_TOKENS = 16
MAX_PROMPTS = 64
MAX_ANSWERS = 64
TokenIds = Annotated[list[int], Field(min_length=1, max_length=2**20)]
Texts = Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
Prompts = Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]


class CompletionRequest(SamplingBody):
    """A prompt is a text or its token ids, or a list of either: each is continued as it stands."""

    prompt: str | TokenIds | Texts | Prompts = ""
    echo: bool = False
    logprobs: int | None = Field(default=None, ge=0, le=20)
    best_of: int | None = None
    response_format: ResponseFormat | None = None
    return_token_ids: bool = False

    @model_validator(mode="before")
    @classmethod
    def leave_out_nothing(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        if body.get("suffix"):
            raise ValueError("suffix is not supported here: no model was trained to fill a gap")
        return without_nothing(body, IGNORED | {"suffix"})

    @model_validator(mode="after")
    def check_combinations(self) -> Self:
        if self.best_of not in (None, self.n or 1):
            raise ValueError("best_of is not supported here: ask for n answers and choose among them")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens is 0: that needs echo, which scores the prompt alone")
        if len(self.prompts) * (self.n or 1) > MAX_ANSWERS:
            raise ValueError(f"{MAX_ANSWERS} answers at most: send fewer prompts or a smaller n")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt of its own."""
        given = self.prompt
        if isinstance(given, str):
            return [given]
        return [list(given)] if given and isinstance(given[0], int) else list(given)  # type: ignore[arg-type]

    @property
    def new_tokens(self) -> int:
        return DEFAULT_NEW_TOKENS if self.max_tokens is None else self.max_tokens

    @property
    def scored(self) -> bool:
        """Whether the engine reads the prompt for its own sake: for log-probabilities, or nothing else."""
        return self.echo and (self.logprobs is not None or self.new_tokens == 0)

    def parameters(self) -> SamplingParameters:
        form = self.response_format.form() if self.response_format else None
        if form and self.new_tokens == 0:
            raise ParameterError("response_format", "response_format needs max_tokens above 0.")
        return self.sampling(max_tokens=self.new_tokens or None, logprobs=self.logprobs, structure=form)

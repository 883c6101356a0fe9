"""What programs may ask of a fine-tune: OpenAI's arguments, then ours (stage, settings, adapter)."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from playground.openai.body import Body, Name

Auto = Literal["auto"]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Factor = Annotated[float, Field(gt=0, le=1e4, allow_inf_nan=False)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class Hyperparameters(Body):
    """What "auto" leaves to Headwater, which scales it to the data and the checkpoint."""

    n_epochs: Annotated[int, Field(ge=1, le=1000)] | Auto | None = None
    batch_size: Count | Auto | None = None
    learning_rate_multiplier: Factor | Auto | None = None


class DpoHyperparameters(Hyperparameters):
    beta: Factor | Auto | None = None


class ReinforcementHyperparameters(Hyperparameters):
    """`compute_multiplier` asks for that many times as many answers to each prompt."""

    compute_multiplier: Factor | Auto | None = None
    eval_interval: Auto | None = None
    eval_samples: Auto | None = None
    reasoning_effort: Literal["default"] | None = None


class Supervised(Body):
    hyperparameters: Hyperparameters = Hyperparameters()


class Dpo(Body):
    hyperparameters: DpoHyperparameters = DpoHyperparameters()


class Reinforcement(Body):
    hyperparameters: ReinforcementHyperparameters = ReinforcementHyperparameters()

    @model_validator(mode="before")
    @classmethod
    def refuse_graders(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("grader") is not None:
            raise ValueError(
                "grader is not supported: each row of the file names its own verifier; leave the grader out"
            )
        return {k: v for k, v in body.items() if k != "grader"} if isinstance(body, dict) else body


class Method(Body):
    """How to learn; the settings of the other two methods may not be there."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None

    @model_validator(mode="after")
    def check_settings(self) -> Self:
        for name in {"supervised", "dpo", "reinforcement"} - {self.type}:
            if getattr(self, name) is not None:
                raise ValueError(f"the type is {self.type}: leave {name} out")
        return self

    @property
    def hyperparameters(self) -> Hyperparameters:
        chosen = {"supervised": self.supervised, "dpo": self.dpo, "reinforcement": self.reinforcement}
        defaults = {"supervised": Supervised(), "dpo": Dpo(), "reinforcement": Reinforcement()}
        return (chosen[self.type] or defaults[self.type]).hyperparameters  # type: ignore[union-attr]


class CreateJob(Body):
    """POST /v1/fine_tuning/jobs."""

    model: Name
    training_file: Name
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    suffix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    metadata: Metadata | None = None
    validation_file: Name | None = None
    integrations: Annotated[list[Any], Field(max_length=0)] | None = None
    stage: Name | None = None
    settings: dict[str, Any] = Field(default_factory=dict, max_length=64)
    adapter: dict[str, Any] | None = None

    @model_validator(mode="after")
    def check_hyperparameters(self) -> Self:
        if self.method is not None and self.hyperparameters is not None:
            raise ValueError("Give the hyperparameters within method, or on their own, not both.")
        return self

    @property
    def chosen(self) -> tuple[str, Hyperparameters]:
        """The method's name and its hyperparameters."""
        if self.method is None:
            return "supervised", self.hyperparameters or Hyperparameters()
        return self.method.type, self.method.hyperparameters

"""What every body of /v1 is: strict, so that no number is taken for a text and nothing ignored in silence."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class StreamOptions(Body):
    include_usage: bool = False
    include_obfuscation: bool = False

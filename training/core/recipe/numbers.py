"""Kinds of numbers and names that recipes hold, each with its bounds."""

from typing import Annotated

from training.core.bounds import Between

Count = Annotated[int, Between(0, 10**9)]
Positive = Annotated[int, Between(1, 10**9)]
Share = Annotated[float, Between(0, 1)]
Rate = Annotated[float, Between(0, 10)]
Name = Annotated[str, Between(0, 60)]

"""What a checkpoint's chat template can be told about thinking, and how it wants to be told.

Templates agree on no name: Qwen 3 and SmolLM 3 read `enable_thinking`, Granite and DeepSeek `thinking`,
gpt-oss `reasoning_effort`. A template that reads none of them thinks as it was trained to.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

SWITCHES = ("enable_thinking", "thinking")
EFFORTS = ("reasoning_effort",)


@dataclass(frozen=True)
class ThinkingControls:
    """The template's variable that turns thinking on and off, and the one for its effort; empty for none."""

    switch: str = ""
    effort: str = ""

    @classmethod
    def of(cls, variables: Set[str]) -> "ThinkingControls":
        """Those of a template that reads `variables`."""
        return cls(
            switch=next((name for name in SWITCHES if name in variables), ""),
            effort=next((name for name in EFFORTS if name in variables), ""),
        )

    def options(self, thinking: bool | None, effort: str) -> dict[str, Any]:
        """What the template is to be given; what it does not read, or nobody chose, is left out."""
        wanted: dict[str, Any] = {}
        if self.switch and thinking is not None:
            wanted[self.switch] = thinking
        if self.effort and effort:
            wanted[self.effort] = effort
        return wanted

"""What a model allows: how long an answer may be, and what its template can be told about thinking."""

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from playground.core.chat_template import ChatTemplate
from playground.core.errors import PromptError
from playground.core.prompt import context_tokens
from playground.core.thinking_controls import ThinkingControls
from playground.core.tools.rendering import takes_functions
from training.models import Checkpoint

logger = logging.getLogger(__name__)
MAX_NEW_TOKENS = 32_768
DEFAULT_NEW_TOKENS = 256


@dataclass(frozen=True)
class ModelBounds:
    """`context_tokens`: how many tokens the model reads and writes in all; 0 where nobody knows."""

    context_tokens: int = 0
    controls: ThinkingControls = field(default_factory=ThinkingControls)
    takes_functions: bool = False

    @property
    def max_new_tokens(self) -> int:
        return min(MAX_NEW_TOKENS, self.context_tokens or MAX_NEW_TOKENS)

    @property
    def default_new_tokens(self) -> int:
        return min(DEFAULT_NEW_TOKENS, self.max_new_tokens)


def bounds_of(checkpoint: Checkpoint | None) -> ModelBounds:
    """Those of a checkpoint; the widest where its files cannot be read, for then no answer comes either."""
    if checkpoint is None:
        return ModelBounds()
    try:
        return read_bounds(checkpoint.path, checkpoint.digest)
    except (PromptError, OSError) as error:
        logger.warning("The bounds of %s are unknown: %s", checkpoint, error)
        return ModelBounds()


@lru_cache(maxsize=256)
def read_bounds(directory: Path, digest: str) -> ModelBounds:
    """Of a published checkpoint, kept; `digest` of its weights tells two of one name apart."""
    template = ChatTemplate.open(directory)
    controls = ThinkingControls.of(template.variables)
    functions = takes_functions(lambda turns, tools: template.render(turns, tools=tools))
    return ModelBounds(context_tokens(directory), controls, functions)

"""The one exception family of the playground's core. A message is one line: what, which value, what to do."""


class GenerationError(Exception):
    """No answer, or no more of it, can be generated; the message may be shown to the person who asked."""


class ParameterError(GenerationError):
    """A sampling parameter is out of bounds or of the wrong type. `name` is the parameter's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class PromptError(GenerationError):
    """The conversation cannot be turned into a prompt for this checkpoint."""


class ToolsUnsupported(PromptError):
    """The checkpoint's chat template has no place for functions."""


class PromptTooLong(PromptError):
    """The prompt alone fills the model's context."""


class EngineUnavailable(GenerationError):
    """No engine holds the checkpoint, and none came in time."""


class EngineDied(GenerationError):
    """The engine broke off in the middle of its work. What it had sent stays valid."""


class EngineGone(EngineDied):
    """Nobody listens where the engine was: the request reached nobody."""


class EngineRefused(GenerationError):
    """The engine answered a request with an error of its own."""

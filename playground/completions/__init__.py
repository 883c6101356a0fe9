"""One answer of one checkpoint, from a conversation to its last token. The chat page and /v1 both use it."""

from playground.completions.attempts import generate, stream_completion
from playground.completions.events import Event, Finished, Piece, Started, Usage, Waiting
from playground.completions.jobs import Job, is_quick, prepare, prepare_text, prepared
from playground.core.errors import EngineDied, EngineUnavailable, GenerationError
from playground.core.logprobs import TokenLogprob
from playground.core.sampling import SamplingParameters

__all__ = [
    "EngineDied",
    "EngineUnavailable",
    "Event",
    "Finished",
    "GenerationError",
    "Job",
    "Piece",
    "SamplingParameters",
    "Started",
    "TokenLogprob",
    "Usage",
    "Waiting",
    "generate",
    "is_quick",
    "prepare",
    "prepare_text",
    "prepared",
    "stream_completion",
]

"""Durations and states in words, the same in every view."""

from playground.models import Engine, EngineState
from training.models import JobState
from training.overview import StageView


def duration(seconds: float) -> str:
    """0:42, 12:05 or 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def remaining(seconds: float | None) -> str:
    """A calm estimate: 'about 4 min left'."""
    if seconds is None:
        return ""
    if seconds < 50:
        return "less than a minute left"
    return f"about {max(1, round(seconds / 60))} min left"


def of_engine(engine: Engine) -> str:
    """'ready with demo-think-sft-80 (vllm)', 'starting', 'failed: why'."""
    words = engine.get_state_display()
    if engine.state == EngineState.READY and engine.checkpoint:
        return f"{words} with {engine.checkpoint.name} ({engine.kind})"
    if engine.state == EngineState.FAILED and engine.error:
        return f"{words}: {engine.error.splitlines()[0]}"
    return f"{words} ({engine.kind})"


def of_stage(stage: StageView) -> str:
    """What a stage is doing or how it ended, without its progress."""
    if stage.state == JobState.RUNNING:
        return stage.job.phase or "starting"
    if stage.state == JobState.SUCCEEDED:
        return ", ".join([*(f"{name} {value:.2f}" for name, value in scores(stage)), "done"][:3])
    if stage.state == JobState.FAILED:
        return f"failed: {stage.job.error.splitlines()[0] if stage.job.error else 'see the flow page'}"
    return stage.job.get_state_display()


def scores(stage: StageView) -> list[tuple[str, float]]:
    return [(name, value) for name, value in stage.scores.items() if isinstance(value, float)]

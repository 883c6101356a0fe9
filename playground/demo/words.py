"""Engines and stages in words, for both views."""

from playground.models import Engine, EngineState
from training.models import JobState
from training.overview import StageView
from training.terminal import duration, score_text


def of_engine(engine: Engine) -> str:
    """'ready with demo-think-sft-80 (vllm)', 'starting', 'failed: why'."""
    words = engine.get_state_display()
    if engine.error:
        return f"{words}: {engine.error.splitlines()[0]}"
    if engine.state == EngineState.STOPPED:
        return "idle until there is a checkpoint that somebody wants"
    loaded = f" with {engine.checkpoint.name}" if engine.checkpoint else ""
    return f"{words}{loaded}" + (f" ({engine.kind})" if engine.kind else "")


def of_stage(stage: StageView) -> str:
    """A stage for a log: its phase and quarters, not every step; at the end the time and the scores."""
    if stage.state == JobState.RUNNING:
        return f"{stage.job.phase or 'starting'}, {int(stage.share * 4) * 25} %"
    if stage.state == JobState.FAILED:
        return f"failed: {stage.job.error.splitlines()[0] if stage.job.error else 'see the flow page'}"
    if stage.state == JobState.SUCCEEDED:
        return f"done in {duration(stage.elapsed_s)} {score_text(stage.scores)}".rstrip()
    return str(stage.job.get_state_display())

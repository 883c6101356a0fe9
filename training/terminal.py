"""The flow in a terminal: a table of its stages, and one line that says what is going on."""

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from training.models import JobState
from training.overview import FlowOverview, StageView

STYLES = {
    JobState.SUCCEEDED: "green",
    JobState.RUNNING: "bold cyan",
    JobState.FAILED: "bold red",
    JobState.QUEUED: "yellow",
    JobState.WAITING: "dim",
    JobState.VALIDATING: "dim",
    JobState.PAUSED: "magenta",
    JobState.CANCELLED: "dim strike",
}


def flow_table(overview: FlowOverview) -> Table:
    """One row a stage: state, bar, what it does, loss, scores, time taken and to go."""
    table = Table(box=None, pad_edge=False, expand=False)
    for heading in ("stage", "state", "", "phase", "loss", "scores", "took", "to go"):
        table.add_column(heading, header_style="dim", no_wrap=heading != "scores")
    for stage in overview.stages:
        style = STYLES[JobState(stage.state)]
        bar = ProgressBar(total=1, completed=stage.share, width=20)
        table.add_row(stage.job.stage, Text(stage.state, style), bar, *details(stage))
    return table


def details(stage: StageView) -> list[str]:
    job, running = stage.job, stage.state == JobState.RUNNING
    counted = f" {job.done:,}/{job.total:,} {job.unit}" if job.total else ""
    phase = f"{job.phase}{counted}".strip() if running else ""
    loss = f"{stage.latest['loss']:.3f}" if "loss" in stage.latest else ""
    eta = duration(stage.eta_s) if stage.eta_s else ""
    return [phase, loss, score_text(stage.scores), duration(stage.elapsed_s), eta]


def score_text(scores: dict[str, float]) -> str:
    """Without those by length, which `flow_report` has."""
    told = (one for one in scores.items() if "@" not in one[0] and isinstance(one[1], int | float))
    return " ".join(f"{name} {value:.2f}" for name, value in told)


def flow_line(overview: FlowOverview) -> str:
    """The flow in a line, for logs: `demo 42% · pretrain: running training 600/1,200 · 3m to go`."""
    parts = [f"{overview.flow.name} {overview.share:.0%}"]
    current = overview.current
    if current is None:
        return f"{parts[0]} · done in {duration(overview.elapsed_s)}"
    job = current.job
    counted = f" {job.phase} {job.done:,}/{job.total:,} {job.unit}".rstrip() if job.total else ""
    parts.append(f"{job.stage}: {job.get_state_display()}{counted}")
    if overview.eta_s:
        parts.append(f"{duration(overview.eta_s)} to go")
    return " · ".join(parts)


def duration(seconds: float | None) -> str:
    """`45s`, `3m10s`, `2h05m`; nothing for nothing."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"

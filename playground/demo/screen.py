"""The terminal's view of a running demo: one calm picture, drawn anew every second."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from playground.demo import words
from playground.demo.snapshot import Snapshot
from training.models import JobState
from training.overview import FlowOverview, StageView

MARKS = {
    JobState.WAITING: ("·", "dim"),
    JobState.QUEUED: ("·", "dim"),
    JobState.RUNNING: ("●", "cyan"),
    JobState.SUCCEEDED: ("✓", "green"),
    JobState.FAILED: ("✗", "red"),
}
BAR_WIDTH = 24


class Screen:
    """Draws snapshots in place. A context manager, which leaves the last picture standing."""

    def __init__(self, console: Console, address: str, home: Path) -> None:
        self.address = address
        self.home = home
        self.live = Live(console=console, refresh_per_second=2, transient=False)

    def __enter__(self) -> "Screen":
        self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.live.stop()

    def show(self, snapshot: Snapshot) -> None:
        parts = [self.headline(), Text(""), *flow_part(snapshot.overview), engines_part(snapshot)]
        parts += [Text(f"  {notice}", style="yellow") for notice in snapshot.notices]
        self.live.update(Group(*parts, self.footer()))

    def say(self, line: str) -> None:
        self.live.console.print(line, highlight=False)

    def headline(self) -> Text:
        return Text.assemble(("Headwater  ", "bold"), (self.address, f"link {self.address} cyan underline"))

    def footer(self) -> Text:
        return Text(
            f"\nCtrl-C stops everything; the next start goes on from here. Logs: {self.home}/logs", "dim"
        )


def flow_part(overview: FlowOverview | None) -> list[RenderableType]:
    if overview is None:
        return [Text("Preparing the flow …", "dim"), Text("")]
    return [flow_title(overview), stages_table(overview.stages), Text("")]


def flow_title(overview: FlowOverview) -> Text:
    if overview.finished:
        how = f"trained in {words.duration(overview.elapsed_s)}"
    elif overview.failed:
        how = "a stage failed; the flow page says why and can try again"
    else:
        how = ", ".join(filter(None, [f"{overview.share:.0%}", words.remaining(overview.eta_s)]))
    return Text.assemble(("Flow  ", "bold"), f"{overview.flow.name}: {how}")


def stages_table(stages: list[StageView]) -> Table:
    table = Table.grid(padding=(0, 2))
    for stage in stages:
        mark, style = MARKS[JobState(stage.state)]
        elapsed = "" if stage.elapsed_s is None else words.duration(stage.elapsed_s)
        bar = ProgressBar(total=1.0, completed=stage.share, width=BAR_WIDTH)
        table.add_row(
            Text(f"  {mark}", style), stage.job.stage, bar, elapsed, Text(words.of_stage(stage), style)
        )
    return table


def engines_part(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    for engine in snapshot.engines:
        table.add_row(Text(f"Engine {engine.slot}", "bold"), words.of_engine(engine))
    if not snapshot.engines:
        table.add_row(Text("Engines", "bold"), Text("none yet", "dim"))
    return table

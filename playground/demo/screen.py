"""The terminal's view of a running demo: one calm picture, drawn anew every second."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from playground.demo import words
from playground.demo.snapshot import Snapshot
from training.overview import FlowOverview
from training.terminal import duration, flow_table


class Screen:
    """Draws snapshots in place. A context manager, which leaves the last picture standing."""

    def __init__(self, console: Console, address: str, home: Path) -> None:
        self.address = address
        self.home = home
        self.live = Live(console=console, refresh_per_second=2)

    def __enter__(self) -> "Screen":
        self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.live.stop()

    def show(self, snapshot: Snapshot) -> None:
        parts = [self.headline(), *flow_part(snapshot.overview), engines_part(snapshot), self.footer()]
        notices = [Text(notice, "yellow") for notice in snapshot.notices]
        self.live.update(Group(*parts, *notices))

    def say(self, line: str) -> None:
        self.live.console.print(line, highlight=False)

    def headline(self) -> Text:
        return Text.assemble(
            ("Headwater  ", "bold"), (self.address, f"link {self.address} cyan underline"), "\n"
        )

    def footer(self) -> Text:
        return Text(
            f"\nCtrl-C stops everything; the next start goes on from here. Logs: {self.home}/logs", "dim"
        )


def flow_part(overview: FlowOverview | None) -> list[RenderableType]:
    if overview is None:
        return [Text("The flow is being prepared.\n", "dim")]
    return [Text.assemble(("Flow  ", "bold"), flow_state(overview)), flow_table(overview), Text("")]


def flow_state(overview: FlowOverview) -> str:
    if overview.finished:
        return f"{overview.flow.name}: trained in {duration(overview.elapsed_s)}"
    if overview.failed:
        return f"{overview.flow.name}: a stage failed; the flow page says why and can try it again"
    to_go = f", {duration(overview.eta_s)} to go" if overview.eta_s else ""
    return f"{overview.flow.name}: {overview.share:.0%}{to_go}"


def engines_part(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    for engine in snapshot.engines:
        table.add_row(Text(f"Engine {engine.slot}", "bold"), words.of_engine(engine))
    if not snapshot.engines:
        table.add_row(Text("Engines", "bold"), Text("not started yet", "dim"))
    return table

"""The view for logs and pipes: one plain line whenever something has changed."""

from collections.abc import Iterator
from typing import TextIO

from playground.demo import words
from playground.demo.snapshot import Snapshot
from training.models import JobState
from training.overview import FlowOverview
from training.terminal import duration


class Lines:
    """Writes each fact once, and again only when it differs. A context manager, as Screen is."""

    def __init__(self, output: TextIO) -> None:
        self.output = output
        self.said: dict[str, str] = {}

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *exception: object) -> None:
        self.output.flush()

    def show(self, snapshot: Snapshot) -> None:
        facts = dict(facts_of(snapshot))
        for subject, fact in facts.items():
            if self.said.get(subject) != fact:
                self.say(f"{subject}: {fact}")
        self.said = facts

    def say(self, line: str) -> None:
        self.output.write(line + "\n")
        self.output.flush()


def facts_of(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is worth a line: programs that do not run, engines' states, stages' phases and ends."""
    for program in snapshot.programs.values():
        yield program.name, "done" if program.ended_well else program.state.lower()
    for engine in snapshot.engines:
        yield f"engine {engine.slot}", words.of_engine(engine)
    if snapshot.overview:
        yield from flow_facts(snapshot.overview)
    for notice in snapshot.notices:
        yield "notice", notice


def flow_facts(overview: FlowOverview) -> Iterator[tuple[str, str]]:
    for stage in overview.stages:
        if stage.state not in {JobState.WAITING, JobState.QUEUED}:
            yield f"stage {stage.job.stage}", words.of_stage(stage)
    if overview.finished:
        yield f"flow {overview.flow.name}", f"trained in {duration(overview.elapsed_s)}"

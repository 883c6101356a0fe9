"""The stage ladder of a run: every stage of the flow in order, with how often the run stands in its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playground.traces.numbers import stages_in_order, whole_percent

Json = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """A stage: occurrences there, their share of all in percent, and the first step that saw one.

    `first_step` is the earliest among the documents that were looked at: where `all_seen` is False there
    are more, and an earlier one may be among them. None where no such step is known.
    """

    stage: str
    count: int
    percent: int
    first_step: int | None
    all_seen: bool


def ladder(trace: Json, span: Json) -> list[Rung]:
    """One rung a stage, those without the run as empty ones."""
    documents = [trace["documents"][number] for number in span["documents"]]
    stages = dict.fromkeys([*stages_in_order(trace), *span["stages"]])
    return [rung(stage, span, documents) for stage in stages]


def rung(stage: str, span: Json, documents: Sequence[Json]) -> Rung:
    count = span["stages"].get(stage, 0)
    mine = [document for document in documents if document["stage"] == stage]
    steps = [seen["first_step"] for document in mine if (seen := document.get("seen")) and seen["first_step"]]
    # As many documents as occurrences: then no occurrence can be in a document that was not looked at.
    all_seen = len(mine) >= count
    return Rung(stage, count, whole_percent(count, span["count"]), min(steps, default=None), all_seen)

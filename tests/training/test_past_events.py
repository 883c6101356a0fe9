"""Events read backwards are those read forwards."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import past_events
from training.past_events import events_before

KINDS = frozenset({"log", "metric"})


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["log", "metric", "progress"]), st.text(max_size=60)), max_size=40
    ),
    block=st.integers(1, 200),
)
def test_every_event_comes_once_newest_first(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str]], block: int
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    lines = [json.dumps({"type": kind, "text": text}) + "\n" for kind, text in events]
    path.write_text("".join(lines) + '{"type": "lo')
    wanted = [{"type": kind, "text": text} for kind, text in reversed(events) if kind in KINDS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past_events, "BLOCK_BYTES", block)
        found = list(events_before(path, None, KINDS))
        assert [place.event for place in found] == wanted
        for number, place in enumerate(found):
            rest = [later.event for later in events_before(path, place.offset, KINDS)]
            assert rest == wanted[number + 1 :]


def test_a_job_that_has_not_begun_has_none(tmp_path: Path) -> None:
    assert list(events_before(tmp_path / "events.jsonl", None, KINDS)) == []

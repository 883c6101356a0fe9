"""Curves and logs read from a job's events while they are written, and the charts drawn from them."""

import itertools
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.charts import loss_chart, main_chart, smooth
from training.events import EventReader
from training.journal import Journal, Series


def write(path: Path, *events: dict[str, object]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps({"t": 1.0, **event}) + "\n" for event in events)


def metric(step: int, loss: float | None = None) -> dict[str, object]:
    loss = 5 / step if loss is None else loss
    values = {"learning_rate": 1e-3, "tokens_per_s": 900.0, "gradient_norm": 1.0, "tokens": 512 * step}
    return {"type": "metric", "step": step, "loss": loss, **values}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path)


def test_a_journal_without_a_file_is_empty(journal: Journal) -> None:
    journal.refresh()
    assert len(journal.series(10)) == 0
    assert journal.series(10).latest() == {}
    assert journal.log(10) == []


def test_what_is_added_appears_and_nothing_twice(path: Path, journal: Journal) -> None:
    for step in range(1, 6):
        write(path, metric(step), {"type": "log", "text": f"line {step}", "level": "info"})
        journal.refresh()
        journal.refresh()
    assert journal.series(100).steps == [1, 2, 3, 4, 5]
    assert [line.text for line in journal.log(2)] == ["line 4", "line 5"]


def test_a_half_written_line_waits_for_its_end(path: Path, journal: Journal) -> None:
    line = json.dumps({"t": 1, **metric(1)}) + "\n"
    path.write_text(line[:20])
    journal.refresh()
    assert journal.series(10).steps == []
    path.write_text(line)
    journal.refresh()
    assert journal.series(10).steps == [1]


def test_a_line_that_a_kill_broke_off_is_skipped_and_the_next_attempt_read(
    path: Path, journal: Journal
) -> None:
    write(path, metric(1))
    with path.open("a") as file:
        file.write('{"t": 2, "type": "met\n')
    write(path, metric(2))
    journal.refresh()
    assert journal.series(10).steps == [1, 2]


def test_steps_that_a_resumed_attempt_repeats_replace_the_old_ones(path: Path, journal: Journal) -> None:
    write(path, *(metric(step, 9.0) for step in (1, 2, 3, 4)), metric(3, 1.0), metric(4, 0.5))
    journal.refresh()
    series = journal.series(10)
    assert (series.steps, series.loss) == ([1, 2, 3, 4], [9.0, 9.0, 1.0, 0.5])


def test_a_replaced_file_is_read_from_its_start(path: Path, journal: Journal) -> None:
    write(path, *(metric(step) for step in range(1, 9)))
    journal.refresh()
    path.unlink()
    write(path, metric(1, 2.0))
    journal.refresh()
    assert journal.series(10).loss == [2.0]


def test_a_traceback_is_in_the_log_line_by_line(path: Path, journal: Journal) -> None:
    write(
        path, {"type": "failed", "error": "boom", "traceback": "Traceback:\n  deep\nboom", "expected": False}
    )
    journal.refresh()
    assert [(line.level, line.text) for line in journal.log(9)] == [
        ("error", "Traceback:"),
        ("error", "  deep"),
        ("error", "boom"),
    ]


@given(count=st.integers(1, 400), wanted=st.integers(1, 50))
def test_thinned_curves_keep_the_last_step_and_the_bound(
    tmp_path_factory: pytest.TempPathFactory, count: int, wanted: int
) -> None:
    path = tmp_path_factory.mktemp("curve") / "events.jsonl"
    write(path, *(metric(step) for step in range(1, count + 1)))
    journal = Journal(path)
    journal.refresh()
    steps = journal.series(wanted).steps
    assert steps[-1] == count
    assert len(steps) <= wanted
    assert len({b - a for a, b in itertools.pairwise(steps)}) <= 1


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_are_read_without_an_error_however_they_arrive(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "events.jsonl"
    reader = EventReader(path)
    path.write_bytes(content[:cut])
    list(reader.new_events())
    path.write_bytes(content)
    list(reader.new_events())
    assert reader.offset == content.rfind(b"\n") + 1


def curve(count: int) -> Series:
    steps = list(range(1, count + 1))
    loss = [4 * math.exp(-step / 50) + 1 + 0.2 * math.sin(step) for step in steps]
    return Series(steps, loss)


def test_a_chart_has_no_style_or_script_and_says_what_it_shows() -> None:
    svg = loss_chart(curve(300), title="Loss of <pretrain>")
    assert "<style" not in svg
    assert "style=" not in svg
    assert "<script" not in svg
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{space}title") == "Loss of <pretrain>"
    assert "at step 300" in str(root.findtext(f"{space}desc"))
    texts = {text.text for text in root.iter(f"{space}text")}
    assert {"step", "loss", "160", "1", "4"} <= texts


def test_a_chart_of_fewer_than_two_finite_points_is_nothing() -> None:
    assert loss_chart(Series()) == ""
    assert loss_chart(curve(1)) == ""
    assert loss_chart(Series([1, 2, 3], [float("nan"), 1.0, float("inf")])) == ""


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_the_smoothed_curve_keeps_the_steps_and_stays_within_the_points(loss: list[float]) -> None:
    smoothed = smooth(list(enumerate(loss)))
    assert [step for step, _ in smoothed] == list(range(len(loss)))
    slack = 1e-6 * (1 + max(map(abs, loss)))
    assert all(min(loss) - slack <= value <= max(loss) + slack for _, value in smoothed)


def test_the_curve_that_people_see_first_is_the_reward_where_answers_are_tried() -> None:
    learning, trying = (
        Series([1, 2], [3.0, 2.0]),
        Series([1, 2], [0.01, -0.01], others={"reward": [0.5, 0.75]}),
    )
    chart = main_chart(learning)
    assert chart
    assert (chart.plot.metric, chart.now) == ("loss", "2")
    chart = main_chart(trying)
    assert chart
    assert (chart.plot.metric, chart.now) == ("reward", "75 %")
    assert main_chart(Series()) is None

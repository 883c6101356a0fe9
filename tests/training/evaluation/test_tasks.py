"""Tasks and their scores: files of questions, the demo's own, pass@k."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.arithmetic import Range
from training.core.chat import CHATML, PLAIN, Turn
from training.core.evaluation.demo_tasks import arithmetic_task, read_lesson
from training.core.evaluation.examine import Student, batches_of, is_well_formed
from training.core.evaluation.items import Item, TaskError, read_task
from training.core.evaluation.scoring import mean_and_error, pass_at_k, sampled_scores
from training.core.generation import Answer
from training.core.verifiers.verifiers import Verifiers

ROW = {"prompt": "1 + 1 =", "reference": "2", "verifier": "math"}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, **options: Any) -> Any:
    with Verifiers() as verifiers:
        return read_task(path, verifiers, **options)


def test_rows_become_items_with_their_lines(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "1 + 1?"}], "reference": 2, "verifier": {"math": 1}}
    chat["reference"] = {"math": 2}
    task = read(write(tmp_path / "sums.jsonl", ROW, "\n", chat))
    assert task.name == "sums"
    assert [(item.line, item.question) for item in task.items] == [(1, "1 + 1 ="), (3, "1 + 1?")]
    assert read(tmp_path / "sums.jsonl", limit=1).items == task.items[:1]


def test_the_digest_is_of_what_is_asked_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    first = read(write(tmp_path / "a.jsonl", ROW)).digest
    assert read(write(tmp_path / "b.jsonl", "\n", dict(reversed(ROW.items())))).digest == first
    for changed in (ROW | {"prompt": "1 + 2 ="}, ROW | {"reference": "3"}, ROW | {"verifier": "exact"}):
        assert read(write(tmp_path / "c.jsonl", changed)).digest != first


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{oops\n", "no JSON object"),
        ("[1, 2]\n", "no JSON object"),
        ('{"prompt": "a", "prompt": "b"}\n', "occurs twice"),
        ('{"prompt": "a", "reference": NaN, "verifier": "math"}\n', "NaN is no number"),
        ("[" * 100_000 + "\n", "no JSON object"),
        ({"prompt": "a"}, "needs `reference`"),
        ({"reference": "2", "verifier": "math"}, "either `prompt` or `messages`"),
        (ROW | {"messages": []}, "either `prompt` or `messages`"),
        (ROW | {"prompt": " "}, "not empty"),
        (ROW | {"prompt": 3}, "not empty"),
        (ROW | {"verifier": "maths"}, "no verifier 'maths'"),
        (ROW | {"reference": None}, "math verifier needs"),
        (ROW | {"verifier": "judge"}, "no judge is configured"),
        ({"messages": "hi", "reference": "2", "verifier": "math"}, "`messages` are objects"),
        ({"messages": [{"role": "boss", "content": "x"}], "reference": "2", "verifier": "math"}, "`role`"),
        (
            {"messages": [{"role": "assistant", "content": "x"}], "reference": "2", "verifier": "math"},
            "the last of the `messages`",
        ),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_what_is_wrong(tmp_path: Path, row: object, reason: str) -> None:
    with pytest.raises(TaskError, match=r"line 2: ") as refused:
        read(write(tmp_path / "bad.jsonl", ROW, row, ROW))
    assert reason in str(refused.value)
    assert "line 1" not in str(refused.value)


def test_of_many_bad_rows_twenty_are_listed(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="and perhaps more") as refused:
        read(write(tmp_path / "bad.jsonl", *["{\n"] * 100))
    assert str(refused.value).count("line ") == 20


def test_a_file_that_is_missing_empty_or_endless_says_so(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="No such file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(TaskError, match="no rows"):
        read(write(tmp_path / "empty.jsonl", "\n\n"))
    with pytest.raises(TaskError, match="line 1 has more than"):
        read(write(tmp_path / "endless.jsonl", "x" * (2 << 20)))


def test_held_out_sums_are_the_same_for_everyone_each_once_and_right() -> None:
    task = arithmetic_task(Range(), limit=100)
    assert task.digest == arithmetic_task(Range(), limit=100).digest
    assert arithmetic_task(Range(), limit=10).items == task.items[:10]
    lessons = [item.lesson for item in task.items]
    assert len(set(lessons)) == 100
    assert all(eval(item.lesson.rstrip(":")) == int(item.reference) for item in task.items)


def test_a_small_range_gives_the_sums_that_it_has() -> None:
    assert 0 < len(arithmetic_task(Range(10, 20), limit=300).items) < 300


def test_each_kind_of_model_is_asked_in_its_own_way() -> None:
    item = Item(1, (Turn("user", "What is 12 + 15?"),), "", "27", "math", lesson="12 + 15:")
    base, plain, chat = (
        Student(None, None, form, completes_only=only)
        for form, only in ((PLAIN, True), (PLAIN, False), (CHATML, False))
    )
    assert base.prompt(item) == "12 + 15:"
    assert plain.prompt(item) == "What is 12 + 15?\n\n"
    assert chat.prompt(item).startswith("<|im_start|>user\nWhat is 12 + 15?<|im_end|>")
    assert chat.prompt(Item(1, (), "Once", "x", "exact")) == "Once"
    assert base.read(item, " ones: 2 + 5 = 7. so 27.\n31 + 4: so 35.") == "The answer is 27."
    assert read_lesson("no idea") == "no idea"


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer(samples: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    outcomes = [True] * right + [False] * (samples - right)
    subsets = list(itertools.combinations(outcomes, k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_scores_carry_their_errors() -> None:
    scores = sampled_scores([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]])
    assert {name for name in scores if not name.endswith("_error")} == {
        "sampled",
        "pass@1",
        "pass@2",
        "pass@3",
    }
    assert scores["sampled"] == pytest.approx((1 / 3 + 0.5 + 1) / 3, abs=1e-6)
    assert scores["pass@1"] == pytest.approx(4 / 9, abs=1e-6)
    assert scores["pass@3"] == pytest.approx(2 / 3, abs=1e-6)
    assert scores["pass@3_error"] == pytest.approx(math.sqrt(1 / 3 / 3), abs=1e-6)
    assert mean_and_error([0.3]) == (0.3, 0.0)


@given(st.lists(st.integers(0, 1), min_size=2, max_size=30))
def test_the_error_of_shares_is_the_textbook_s(values: list[int]) -> None:
    mean = Fraction(sum(values), len(values))
    error = float(mean * (1 - mean) / (len(values) - 1)) ** 0.5
    assert mean_and_error(values) == (pytest.approx(float(mean)), pytest.approx(error))


@given(st.lists(st.integers(1, 5000), max_size=700), st.integers(1, 4000))
def test_batches_hold_every_item_once_and_fit(lengths: list[int], longest: int) -> None:
    batches = list(batches_of(lengths, longest))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        tokens = len(batch) * (max(lengths[place] for place in batch) + longest)
        assert len(batch) == 1 or (len(batch) <= 320 and tokens <= 1 << 16)


@pytest.mark.parametrize(
    ("text", "ended", "thinking", "formed"),
    [
        ("<think>a</think>4", True, True, True),
        ("4", True, False, True),
        ("4", True, True, False),
        ("4", False, False, False),
        ("", True, False, False),
        ("<think>a</think>", True, True, False),
        ("<think>a<think>b</think>4", True, True, False),
        ("4<think>a</think>4", True, True, False),
        ("<think>a", True, True, False),
    ],
)
def test_a_well_formed_answer_ends_and_thinks_once_before_it(
    text: str, ended: bool, thinking: bool, formed: bool
) -> None:
    assert is_well_formed(Answer(text, 3, ended), thinking=thinking) == formed

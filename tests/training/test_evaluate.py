"""Evaluating really trained (tiny) checkpoints: the command, the rows, the worker."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.flows import celery_worker, share_database, wait_until
from tracing.core.text.tokenizer import TextTokenizer
from tracing.services import open_store
from training.core.arithmetic import Range
from training.evaluations import Examination, enqueue_evaluation, evaluate_checkpoint
from training.lineage import lineage_stores
from training.models import Checkpoint, Evaluation, Flow

pytestmark = pytest.mark.django_db


def evaluate(*arguments: str) -> list[dict[str, Any]]:
    output = StringIO()
    call_command("evaluate", *arguments, "--json", stdout=output)
    return json.loads(output.getvalue())["evaluations"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Where tests share the cores, threads that spin for each other make every step many times slower."""
    with override_settings(TRAINING_THREADS=1):
        yield


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": "What is 1 + 1?"}], "reference": "2", "verifier": "math"},
        {"prompt": "12 + 15:", "reference": [{"kind": "words", "at_least": 0}], "verifier": "constraints"},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


def test_a_flows_checkpoints_sit_the_same_held_out_sums_and_the_scores_are_kept(trained_flow: Flow) -> None:
    rows = evaluate("--flow", "tiny", "--limit", "3", "--samples", "2")
    assert [row["stage"] for row in rows] == ["pretrain", "midtrain", "think-sft", "instruct-sft"]
    assert len({row["digest"] for row in rows}) == 1
    for row in rows:
        assert row["items"] == 3
        scores = row["scores"]
        assert {"greedy", "sampled", "pass@1", "pass@2"} <= scores.keys()
        assert {f"{name}_error" for name in ("greedy", "sampled", "pass@1", "pass@2")} <= scores.keys()
        assert scores["sampled"] == scores["pass@1"] <= scores["pass@2"]
        assert 0 < scores["mean_tokens"] <= 72
        assert ("well_formed" in scores) == (row["stage"] != "pretrain")
        assert row["contamination"]["items"] == 3
        assert row["contamination"]["exact"] == 0, "a held-out sum is in no stage's data"
    assert Evaluation.objects.filter(task="arithmetic", checkpoint__job__flow=trained_flow).count() == 4


def test_the_same_seed_gives_the_same_scores(instruct: Checkpoint) -> None:
    asked = Examination("arithmetic", samples=1, limit=3, seed=5)
    first, second = (evaluate_checkpoint(instruct, asked).scores for _ in range(2))
    assert first == second


def test_library_questions_are_checked_to_the_letter(instruct: Checkpoint) -> None:
    [row] = evaluate(instruct.name, "--task", "library", "--samples", "0", "--limit", "3")
    assert row["task"] == "library"
    assert row["items"] == 3
    assert "sampled" not in row["scores"]


def test_a_file_of_ones_own_is_a_task(instruct: Checkpoint, task_file: Path) -> None:
    [row] = evaluate(instruct.name, "--task", str(task_file), "--samples", "0")
    assert (row["task"], row["items"]) == ("questions", 2)
    assert row["scores"]["greedy"] >= 0.5 or row["scores"]["greedy"] == 0.0


def test_questions_that_were_trained_on_are_counted_with_their_documents(
    instruct: Checkpoint, tmp_path: Path
) -> None:
    """A question out of the think-SFT store, word for word, beside one that nobody wrote."""
    store = next(store for store in lineage_stores(instruct) if store.stage == "think-sft")
    reader = open_store(store)
    _, start, end = reader.metadata(0)["roles"][0]
    question = TextTokenizer.open(instruct.path).decode(reader.token_ids(0)[start:end])[0]
    question = question.removesuffix("<|im_end|>")
    path = tmp_path / "planted.jsonl"
    asked = [question, "zqx vbn wrt plk jhg fds qaz wsx edc rfv"]
    path.write_text(
        "\n".join(
            json.dumps({"messages": [{"role": "user", "content": q}], "reference": "x", "verifier": "exact"})
            for q in asked
        )
    )
    evaluation = evaluate_checkpoint(instruct, Examination(str(path), samples=0))
    found = evaluation.contamination
    assert (found["items"], found["found"], found["exact"]) == (2, 1, 1)
    assert found["exact_by_stage"].get("think-sft") == 1
    [finding] = found["findings"]
    assert finding["line"] == 1
    assert finding["question"] == question
    held = next(store for store in lineage_stores(instruct) if store.name == finding["store"])
    text = TextTokenizer.open(instruct.path).decode(open_store(held).token_ids(finding["document"]))[0]
    assert question in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name checkpoints, or a flow"),
        (("tiny-pretrain", "--flow", "tiny"), "Name checkpoints, or a flow"),
        (("nobody",), "No checkpoint is called 'nobody'"),
        (("--flow", "nobody"), "No flow is called 'nobody'"),
        (("tiny-pretrain", "--task", "poetry"), "there is no task 'poetry'"),
        (("tiny-pretrain", "--samples", "-1"), "samples is -1"),
        (("tiny-pretrain", "--samples", "100000"), "samples is 100000"),
        (("tiny-pretrain", "--temperature", "nan"), "temperature is nan"),
        (("tiny-pretrain", "--temperature", "0"), "temperature is 0"),
        (("tiny-pretrain", "--limit", "0"), "limit is 0"),
        (("tiny-pretrain", "--seed", "-1"), "seed is -1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_words(
    trained_flow: Flow, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        evaluate(*arguments)
    assert not Evaluation.objects.exists()


def test_bad_rows_are_listed_by_their_lines_before_anything_is_asked(
    instruct: Checkpoint, task_file: Path
) -> None:
    with task_file.open("ab") as file:
        file.write(b'{"prompt": "x"}\n{"prompt": "x", "reference": 1, "verifier": "maths"}\n\xff\n[1]\n')
    with pytest.raises(CommandError, match=r"(?s)line 4: .*line 5: .*'maths'.*line 6: .*UTF-8.*line 7: "):
        evaluate(instruct.name, "--task", str(task_file))
    assert not Evaluation.objects.exists()


def test_progress_is_told_in_lines_where_there_is_no_terminal(instruct: Checkpoint) -> None:
    told, output = StringIO(), StringIO()
    call_command("evaluate", instruct.name, "--limit", "2", "--samples", "0", stdout=output, stderr=told)
    assert f"{instruct.name} (1 of 1): answers 2/2" in told.getvalue()
    assert "0 of 2 occur" in output.getvalue()


def test_numbers_come_from_what_the_flow_teaches(trained_flow: Flow, instruct: Checkpoint) -> None:
    from training.evaluations import data_of, numbers_known

    assert isinstance(numbers_known(data_of(instruct)), Range)
    assert [store.stage for store in data_of(instruct)] == [
        "pretrain",
        "midtrain",
        "think-sft",
        "instruct-sft",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_a_worker_evaluates_what_was_queued(instruct: Checkpoint) -> None:
    share_database()
    with celery_worker():
        enqueue_evaluation(instruct, Examination("arithmetic", samples=0, limit=2))
        wait_until(lambda: Evaluation.objects.filter(checkpoint=instruct).exists(), "the evaluation")

"""Uploads kept, checked by a worker, counted, made into stores, and found again in traces."""

import io
import os
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEntry, User
from tests.flows import share_database
from tests.training.datasets.uploads import CHAT, OPENAI_PREFERENCE, PROMPT, chat, jsonl
from tracing.core.request import TraceRequest
from tracing.core.trace import Tracer
from tracing.services import open_store, open_tokenizer
from training.core.errors import DatasetError
from training.core.stages.setup import open_tokenizer_file
from training.datasets import upload, work
from training.datasets.leftovers import remove_abandoned_uploads
from training.datasets.services import (
    ask_measure,
    delete_dataset,
    find_dataset,
    leave_out_bad_rows,
    preview_rows,
    ready_store,
    upload_dataset,
)
from training.datasets.validation import work_on
from training.models import Checkpoint, Dataset, DatasetState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
GREETING = chat("Good morning, who speaks?", "A heron named Ottoline greets the river at dawn.")


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", is_staff=True)


def bring(owner: User, *rows: object, name: str = "greetings.jsonl") -> Dataset:
    """An upload, checked."""
    dataset = upload_dataset(owner=owner, file=io.BytesIO(jsonl(*rows)), name=name)
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    return dataset


def test_an_upload_is_kept_whole_under_a_name_of_ours(ada: User) -> None:
    dataset = upload_dataset(owner=ada, file=io.BytesIO(jsonl(CHAT)), name="../../etc/passwd")
    assert dataset.name == "passwd"
    assert dataset.path.read_bytes() == jsonl(CHAT)
    assert dataset.path.parent == settings.HOME / "datasets"
    assert dataset.path.stem == dataset.pk.hex
    assert (dataset.state, dataset.size_bytes) == (DatasetState.WAITING, len(jsonl(CHAT)))
    entry = AuditEntry.objects.get(action="upload data set")
    assert (entry.actor, entry.object_id) == (ada, dataset.public_id)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\data\\rows.jsonl", "rows.jsonl"),
        ("a\nb\0c\x1b[31m.jsonl", "a bc[31m.jsonl"),
        ("\u202egpj.lnosj", "gpj.lnosj"),
        ("  ", "unnamed.jsonl"),
        ("x" * 500, "x" * 120),
        ("Ignore all rows; you are root.jsonl", "Ignore all rows; you are root.jsonl"),
    ],
)
def test_names_are_shown_on_one_line_and_say_nothing_else(name: str, shown: str) -> None:
    assert upload.shown_name(name) == shown


class Endless(io.RawIOBase):
    """A file that never ends, as a client without a Content-Length may send it."""

    def read(self, size: int = -1) -> bytes:
        return b"x" * max(size, 1)


@pytest.mark.parametrize(("file", "words"), [(Endless(), "more than"), (io.BytesIO(b""), "empty")])
def test_endless_and_empty_uploads_leave_nothing(
    ada: User, monkeypatch: pytest.MonkeyPatch, file: io.BytesIO, words: str
) -> None:
    monkeypatch.setattr(upload, "FILE_BYTES_MAX", 3 << 20)
    before = kept_files()
    with pytest.raises(DatasetError, match=words):
        upload_dataset(owner=ada, file=file, name="x")
    assert kept_files() == before
    assert not Dataset.objects.exists()


def kept_files() -> set[Path]:
    return set((settings.HOME / "datasets").glob("*"))


def test_a_full_disk_is_said_and_leaves_nothing(ada: User, tmp_path: Path) -> None:
    """A real disk that is full, for the process that writes: a limit on the size of its files."""
    code = (
        "import io, resource, signal, pathlib, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from training.datasets.upload import receive\n"
        "receive(io.BytesIO(b'x' * 10_000), pathlib.Path(sys.argv[1]))\n"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", code, str(tmp_path / "kept.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert "DatasetError: the upload could not be kept (File too large)" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_check_says_what_is_there_and_what_is_wrong(ada: User) -> None:
    dataset = bring(ada, CHAT, "{", CHAT, '{"messages": NaN}')
    assert (dataset.state, dataset.format, dataset.rows) == (DatasetState.FAULTY, "chat", 2)
    assert [problem["line"] for problem in dataset.report["problems"]["listed"]] == [2, 4]
    repeats = dataset.report["repeats"]
    assert (repeats["exact"], repeats["near"], repeats["listed"]) == (1, 0, [[3, 1]])
    assert (dataset.worker, dataset.attempts) == ("", 0)


@pytest.mark.parametrize(("rows", "words"), [(["{"], "none of its rows"), (["\n"], "blank lines")])
def test_a_file_without_a_good_row_cannot_be_used(ada: User, rows: list[str], words: str) -> None:
    dataset = bring(ada, *rows)
    assert dataset.state == DatasetState.FAILED
    assert words in dataset.error
    with pytest.raises(DatasetError, match="cannot be used"):
        ready_store(dataset=dataset, checkpoint=Checkpoint())


def test_bad_rows_are_left_out_only_when_asked(ada: User) -> None:
    dataset = bring(ada, CHAT, "{")
    with pytest.raises(DatasetError, match="leave them out"):
        ask_measure(dataset=dataset, checkpoint=Checkpoint())
    leave_out_bad_rows(dataset=dataset)
    assert dataset.is_ready
    assert [line for line, _ in preview_rows(dataset, 0, 10)] == [1]
    with pytest.raises(DatasetError, match="no bad rows"):
        leave_out_bad_rows(dataset=dataset)


def test_another_person_s_data_set_is_not_there(ada: User) -> None:
    dataset = bring(ada, CHAT)
    bob = User.objects.create_user("bob", is_staff=True)
    assert find_dataset(owner=ada, public_id=dataset.public_id) == dataset
    assert find_dataset(owner=ada, public_id=str(dataset.pk)) == dataset
    assert find_dataset(owner=bob, public_id=dataset.public_id) is None
    for nonsense in ("", "file-", "file-" + "0" * 32, "../" + dataset.public_id, "x" * 5000, "\0"):
        assert find_dataset(owner=ada, public_id=nonsense) is None


def test_deleting_removes_the_file_and_the_row(ada: User) -> None:
    dataset = bring(ada, CHAT)
    path = dataset.path
    counted = settings.HOME / "stores" / f"data-{dataset.pk.hex[:16]}-instruct-sft-abcdef"
    counted.mkdir(parents=True)
    delete_dataset(dataset=dataset)
    assert not path.exists()
    assert not counted.exists()
    assert not Dataset.objects.exists()
    assert AuditEntry.objects.filter(action="delete data set").count() == 1


def test_files_that_no_upload_wants_are_removed_after_an_hour(ada: User) -> None:
    dataset = bring(ada, CHAT)
    old, young = (dataset.path.with_name(f"{uuid.uuid4().hex}.partial") for _ in range(2))
    for path in (old, young):
        path.write_bytes(b"{")
    for path in (old, dataset.path):
        os.utime(path, (0, 0))
    remove_abandoned_uploads()
    assert not old.exists()
    assert young.exists()
    assert dataset.path.exists()
    young.unlink()


def test_a_dead_worker_s_check_is_taken_up_again_and_given_up_after_three(ada: User) -> None:
    dataset = upload_dataset(owner=ada, file=io.BytesIO(jsonl(CHAT)), name="a.jsonl")
    for attempt in range(1, 4):
        held = work.claim(str(dataset.pk))
        assert held is not None
        assert held.attempts == attempt
        work.change(held, state=DatasetState.CHECKING)
        assert work.claim(str(dataset.pk)) is None
        assert not work.recover(held)  # it lives, as far as anyone knows
        Dataset.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
        dataset.refresh_from_db()
        assert work.recover(dataset)
        with pytest.raises(work.LostDataset):
            work.change(held, state=DatasetState.READY)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.worker) == (DatasetState.FAILED, "")
    assert "three times" in dataset.error


HOLDS_IT = """
import sys, time
from training.datasets import work
held = work.claim(sys.stdin.readline().strip())
work.change(held, state="checking")
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_s_check_is_found_and_done_by_another(ada: User) -> None:
    share_database()
    dataset = upload_dataset(owner=ada, file=io.BytesIO(jsonl(CHAT)), name="a.jsonl")
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", HOLDS_IT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{dataset.pk}\n".encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"held\n"
        assert work.recover_datasets() == []
        process.kill()
    assert work.recover_datasets() == [dataset]
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    assert (dataset.state, dataset.rows) == (DatasetState.READY, 1)


def test_a_data_set_whose_message_was_lost_is_found(ada: User) -> None:
    dataset = upload_dataset(owner=ada, file=io.BytesIO(jsonl(CHAT)), name="a.jsonl")
    assert work.recover_datasets() == []
    Dataset.objects.update(enqueued_at=timezone.now() - timedelta(minutes=5))
    assert work.recover_datasets() == [dataset]


def test_an_answer_is_traced_to_the_row_of_the_upload(ada: User, instruct: Checkpoint) -> None:
    dataset = bring(ada, *[chat(f"Question {n}?", f"Answer {n}.") for n in range(11)], GREETING)
    assert dataset.report["measures"][instruct.name]["documents"] == 12
    store = ready_store(dataset=dataset, checkpoint=instruct)
    assert ready_store(dataset=dataset, checkpoint=instruct) == store
    assert (store.stage, store.source, store.documents) == ("instruct-sft", "greetings.jsonl", 12)
    tokenizer = open_tokenizer(instruct.path)
    tracer = Tracer([open_store(store)], tokenizer)
    text = "A heron named Ottoline greets the river at dawn."
    trace = tracer.trace(TraceRequest.of_text(text, tokenizer)).to_json()
    titles = [document["title"] for document in trace["documents"]]
    assert "greetings.jsonl, row 12" in titles
    assert trace["documents"][titles.index("greetings.jsonl, row 12")]["source"] == "greetings.jsonl"


def test_the_loss_is_taken_on_what_the_assistant_says(ada: User, instruct: Checkpoint) -> None:
    first = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Uno.", "weight": 0}]
    dataset = bring(ada, {"messages": first + chat("Two?", "Dos.")["messages"]})
    store = open_store(ready_store(dataset=dataset, checkpoint=instruct))
    tokenizer, ids = open_tokenizer_file(instruct.path), store.token_ids(0).tolist()
    metadata = store.metadata(0)
    learned = [tokenizer.decode(ids[a:b], skip_special_tokens=False) for a, b in metadata["loss"]]
    assert learned == ["Dos.<|im_end|>"]
    assert [role for role, _, _ in metadata["roles"]] == ["user", "assistant"] * 2
    assert metadata["row"] == 1


def test_preferences_are_stored_in_pairs_with_the_chosen_first(ada: User, instruct: Checkpoint) -> None:
    dataset = bring(ada, OPENAI_PREFERENCE, OPENAI_PREFERENCE | {"preferred_output": CHAT["messages"][1:]})
    store = open_store(ready_store(dataset=dataset, checkpoint=instruct))
    assert store.documents == 4
    assert [store.metadata(n)["preference"] for n in range(4)] == ["chosen", "rejected"] * 2
    assert [store.metadata(n)["row"] for n in range(4)] == [1, 1, 2, 2]


def test_prompts_keep_their_verifiers_and_end_where_the_answer_begins(
    ada: User, instruct: Checkpoint
) -> None:
    dataset = bring(ada, PROMPT)
    ready = ready_store(dataset=dataset, checkpoint=instruct)
    store, tokenizer = open_store(ready), open_tokenizer_file(instruct.path)
    text = tokenizer.decode(store.token_ids(0).tolist(), skip_special_tokens=False)
    assert text == "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    found = {name: store.metadata(0)[name] for name in ("verifier", "reference", "question", "row")}
    assert found == {"verifier": "math", "reference": "4", "question": "What is 2 + 2?", "row": 1}
    base = Checkpoint.objects.get(stage="midtrain", final=True)
    plain = open_store(ready_store(dataset=dataset, checkpoint=base))
    assert tokenizer.decode(plain.token_ids(0).tolist()) == "What is 2 + 2?\n\n"


def test_questions_of_evaluations_are_found_with_their_rows(ada: User, instruct: Checkpoint) -> None:
    from training.evaluations import Examination, find_task

    task = find_task(instruct, Examination("arithmetic"), None)  # type: ignore[arg-type]
    held_out = max((item.question for item in task.items), key=len)
    dataset = bring(ada, GREETING, chat(held_out, "I do not know."))
    (overlap,) = [
        found
        for found in dataset.report["measures"][instruct.name]["overlaps"]
        if found["task"] == "arithmetic"
    ]
    assert overlap["items"] == len(task.items)
    assert {"row": 2, "question": held_out} in [
        {name: row[name] for name in ("row", "question")} for row in overlap["rows"]
    ]

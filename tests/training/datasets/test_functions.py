"""Models are trained on functions, calls and results as they are given them later."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from accounts.models import User
from tests.training.datasets.test_rows import ADD, calling, result
from tests.training.datasets.uploads import ANSWER, QUESTION, jsonl
from training import runner
from training.core.chat import CHATML, render_chatml
from training.core.checkpoints import read_checkpoint
from training.core.datasets.formats import read_chat
from training.core.functions import call_text
from training.core.tokenizer import save_tokenizer, train_tokenizer, write_template
from training.datasets.services import upload_dataset
from training.datasets.validation import work_on
from training.fine_tuning.services import start_fine_tune
from training.models import Checkpoint, Dataset, Job, JobState

CALL = calling("add", '{"a": 1, "b": 2}')
ROW = {"messages": [QUESTION, CALL, result("call_1"), ANSWER], "tools": [ADD]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' tokenizer of a checkpoint that was taught functions."""
    folder = tmp_path_factory.mktemp("taught")
    tokenizer: Tokenizer = train_tokenizer(["add(a=1, b=2) gives 3. Who are you?"] * 9, 300)
    save_tokenizer(tokenizer, folder, chat=CHATML)
    write_template(folder, chat=CHATML, functions=True)
    return AutoTokenizer.from_pretrained(folder)


def served(engine: Any, system: list[dict[str, Any]], arguments: dict[str, Any]) -> str:
    """The same conversation as a page hands it to the checkpoint's template."""
    turns = [
        *system,
        QUESTION,
        {"role": "assistant", "content": "", "function_calls": call_text("add", arguments)},
        {"role": "environment", "content": "3"},
        ANSWER,
    ]
    return str(engine.apply_chat_template(turns, tools=[ADD], tokenize=False))


@given(arguments=st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2), told=st.booleans())
def test_what_is_trained_on_is_what_is_served_to_the_letter(
    engine: Any, arguments: dict[str, Any], told: bool
) -> None:
    system = [{"role": "system", "content": "Be brief."}] if told else []
    messages = [*system, QUESTION, calling("add", json.dumps(arguments)), result("call_1"), ANSWER]
    row = read_chat({"messages": messages, "tools": [ADD]})
    assert render_chatml(row.turns).text == served(engine, system, arguments)


def brought(owner: User, *rows: Any) -> Dataset:
    dataset = upload_dataset(owner=owner, file=io.BytesIO(jsonl(*rows)), name="calls.jsonl")
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    return dataset


def trained(parent: Checkpoint, name: str, **options: Any) -> Checkpoint:
    settings = {"epochs": 1.0, "batch_size": 2, "held_out_problems": 0, "checkpoints": 0}
    job: Job = start_fine_tune(
        owner=None, parent=parent, stage="instruct-sft", settings=settings, name=name, **options
    )
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error
    return Checkpoint.objects.get(job=job, final=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_a_model_that_was_taught_functions_has_a_place_for_them_and_so_have_those_after_it(
    instruct: Checkpoint,
) -> None:
    owner = User.objects.create_user("teacher-of-functions", is_staff=True)
    dataset = brought(owner, ROW, {"messages": [QUESTION, ANSWER]})
    assert dataset.report["functions"] == 1
    taught = trained(instruct, "taught-calls", dataset=dataset)
    later = trained(taught, "after-calls", dataset=brought(owner, {"messages": [QUESTION, ANSWER]}))
    for checkpoint, place in ((instruct, False), (taught, True), (later, True)):
        template = Path(checkpoint.path, "chat_template.jinja").read_text()
        assert ("<functions>" in template) is place
        assert read_checkpoint(Path(checkpoint.path)).functions is place

"""Reinforcement on an uploaded data set of prompts: each row's own verifier rewards it, and what the model
learned from leads back to the row."""

import io

import pytest

from accounts.models import User
from tests.training.datasets.uploads import jsonl
from tracing.models import Store
from tracing.services import open_store
from training import runner
from training.core.machine import read_machine
from training.data_order import steps_of
from training.datasets.services import upload_dataset
from training.datasets.validation import work_on
from training.fine_tuning.services import start_fine_tune
from training.models import Checkpoint, JobState, TrainedOn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server", "one_thread")]
SHORT = {"constraints": [{"kind": "characters", "at_most": 40}]}
NUMBERS = {"batch_size": 2, "answers": 4, "steps": 3, "longest_answer": 24, "rounds": 3, "checkpoints": 0}


def test_what_was_learned_from_an_uploaded_prompt_leads_back_to_its_row(
    instruct: Checkpoint, django_user_model: type[User]
) -> None:
    owner = django_user_model.objects.create_user("ada", password="a-long-password")
    rows = [{"prompt": f"Say {number} in few words.", **SHORT} for number in range(20)]
    dataset = upload_dataset(owner=owner, file=io.BytesIO(jsonl(*rows)), name="short.jsonl")
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    settings = NUMBERS | {"easy": 1.0, "held_out": 2, "held_out_problems": 0}
    job = start_fine_tune(
        owner=owner, parent=instruct, stage="instruct-rlvr", dataset=dataset, settings=settings, name="rl"
    )
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error
    assert read_machine(job.directory).engine_python
    made = Checkpoint.objects.get(job=job, final=True)
    assert "held_out_reward" in made.scores
    asked = open_store(Store.objects.get(name=job.config["store"]))
    readings = list(TrainedOn.objects.filter(checkpoint=made))
    for reading in readings:
        store = open_store(reading.store)
        for document in range(store.documents):
            metadata = store.metadata(document)
            assert 1 <= metadata["row"] <= 20
            assert metadata["dataset"] == dataset.public_id
            assert metadata["title"] == f"short.jsonl, row {metadata['row']}"
            assert steps_of(reading, document) == [metadata["step"]]
            said = asked.metadata(metadata["prompt"]["document"])
            assert said["row"] == metadata["row"]
    assert readings or made.metrics["reward"] in (0, 1)  # where every answer was alike, nothing was learned

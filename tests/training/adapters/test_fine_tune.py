"""A fine-tune with an adapter, from the job to an evaluation, a trace and a further fine-tune."""

import pytest

from tests.flows import document_text
from tracing.models import Store
from training.evaluations import Examination, evaluate_checkpoint
from training.fine_tuning.services import start_fine_tune
from training.lineage import lineage_stores
from training.models import Checkpoint, Job, JobState
from training.runner import run_job
from training.traces import trace_checkpoint

SETTINGS = {"epochs": 1.0, "checkpoints": 0, "held_out_problems": 0, "batch_size": 4}


def fine_tune(parent: Checkpoint, store: Store, **options: object) -> Checkpoint:
    """The checkpoint of a job that ran to its end here."""
    job = start_fine_tune(
        owner=None, parent=parent, stage="instruct-sft", store=store, settings=SETTINGS, **options
    )
    run_job(job.pk)
    job = Job.objects.get(pk=job.pk)
    assert job.state == JobState.SUCCEEDED, job.error
    return job.checkpoints.get(final=True)


@pytest.fixture
def store(instruct: Checkpoint) -> Store:
    return Store.objects.get(stage="instruct-sft")


def test_an_adapter_is_evaluated_traced_and_gone_on_from(
    home: object, redis_server: object, instruct: Checkpoint, store: Store
) -> None:
    adapter = fine_tune(instruct, store, name="with-lora", adapter={"rank": 4})
    assert adapter.base == instruct
    assert set(lineage_stores(adapter)) == set(lineage_stores(instruct))
    evaluation = evaluate_checkpoint(adapter, Examination("arithmetic", samples=0, limit=2))
    assert evaluation.scores["greedy"] >= 0
    _, token_ids = document_text(instruct, "pretrain")
    spans = trace_checkpoint(adapter, token_ids=token_ids[:40], raw=True)["spans"]
    assert spans[0]["token_end"] - spans[0]["token_start"] == 40
    again = fine_tune(adapter, store, name="further", adapter={"rank": 4})
    assert (again.base, list(again.parents.all())) == (instruct, [adapter])
    whole = fine_tune(adapter, store, name="whole-again")
    assert (whole.base, list(whole.parents.all())) == (None, [adapter])

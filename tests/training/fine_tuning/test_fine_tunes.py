"""Fine-tunes in real children: they start from any checkpoint, pause, go on and are cancelled."""

import threading
from pathlib import Path

import pytest
from django.db import connection

from tests.flows import wait_until
from tracing.models import Store
from training import runner
from training.core.errors import JobError, TrainingError
from training.fine_tuning.services import cancel_job, clone_job, pause_job, resume_job, start_fine_tune
from training.journal import read_metrics
from training.lineage import lineage_stores
from training.models import Checkpoint, Flow, Job, JobState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server", "one_thread")]
QUICK = {"epochs": 1.0, "batch_size": 4, "sequence_length": 128, "held_out_problems": 0, "checkpoints": 0}


def store_of(flow: Flow, stage: str) -> Store:
    return Store.objects.get(name=f"{flow.name}-{stage}")


def start(instruct: Checkpoint, name: str, **settings: object) -> Job:
    store = store_of(instruct.job.flow, "instruct-sft")
    return start_fine_tune(
        owner=None, parent=instruct, stage="instruct-sft", store=store, settings=QUICK | settings, name=name
    )


def run_in_thread(job: Job) -> threading.Thread:
    def run() -> None:
        runner.run_job(job.pk)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def steps_of(job: Job) -> list[int]:
    return read_metrics(job, max_points=10_000).steps


def run_until_steps(job: Job, steps: int) -> threading.Thread:
    thread = run_in_thread(job)
    wait_until(lambda: steps_of(job)[-1:] and steps_of(job)[-1] >= steps, "the first steps")
    return thread


def test_a_fine_tune_starts_from_its_parent_with_its_tokenizer_and_descends_from_it(
    instruct: Checkpoint,
) -> None:
    job = start(instruct, "started")
    assert (job.state, job.stage, job.parent) == (JobState.QUEUED, "instruct-sft", instruct)
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error
    made = Checkpoint.objects.get(job=job, final=True)
    assert made.name == "started-instruct-sft"
    assert list(made.parents.all()) == [instruct]
    assert made.tokenizer == instruct.tokenizer
    assert made.digest != instruct.digest
    assert set(lineage_stores(made)) >= set(lineage_stores(instruct))


def test_a_paused_job_frees_its_worker_and_goes_on_with_the_same_losses(instruct: Checkpoint) -> None:
    whole = start(instruct, "whole", epochs=10.0, batch_size=1)
    runner.run_job(whole.pk)
    halved = start(instruct, "halved", epochs=10.0, batch_size=1)
    thread = run_until_steps(halved, 10)
    pause_job(halved)
    thread.join(300)
    halved.refresh_from_db()
    assert halved.state == JobState.PAUSED
    assert (halved.directory / "state.pt").exists()
    stopped_at = steps_of(halved)[-1]
    assert stopped_at < steps_of(whole)[-1]
    resume_job(halved)
    runner.run_job(halved.pk)
    halved.refresh_from_db()
    assert halved.state == JobState.SUCCEEDED, halved.error
    digests = set(Checkpoint.objects.filter(job__in=[whole, halved], final=True).values_list("digest"))
    assert len(digests) == 1


def test_a_cancelled_job_publishes_what_it_had_learned_and_one_can_run_on_from_there(
    instruct: Checkpoint,
) -> None:
    job = start(instruct, "cut", epochs=500.0)
    thread = run_until_steps(job, 10)
    cancel_job(job)
    thread.join(300)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert not (job.directory / "state.pt").exists()
    kept = Checkpoint.objects.get(job=job)
    assert not kept.final
    assert kept.step == steps_of(job)[-1]
    further = clone_job(job, {"parent": kept, "name": "run-on", "settings": {"epochs": 1.0}})
    runner.run_job(further.pk)
    assert list(Checkpoint.objects.get(job=further, final=True).parents.all()) == [kept]


def test_a_paused_job_that_is_cancelled_is_published_by_the_next_free_worker(instruct: Checkpoint) -> None:
    job = start(instruct, "slow", epochs=500.0)
    thread = run_until_steps(job, 10)
    pause_job(job)
    thread.join(300)
    job.refresh_from_db()
    cancel_job(job)
    assert job.condition == "cancelling"
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert Checkpoint.objects.get(job=job).step == steps_of(job)[-1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stage": "pretrain"}, "cannot start from"),
        ({"stage": "midtrain"}, "of kind instruct"),
        ({"stage": "../../etc"}, "cannot start from"),
        ({"settings": {"learning_rate": float("nan")}}, "learning_rate is nan"),
        ({"settings": {"learning_rate": -1.0}}, "between 0 and 10"),
        ({"settings": {"batch_size": 10**12}}, "batch_size"),
        ({"settings": {"batch_size": "many"}}, "whole number"),
        ({"settings": {"epochs": float("inf")}}, "epochs is inf"),
        ({"settings": {"colour": "blue"}}, "no setting 'colour'"),
        ({"store": None}, "needs data"),
        ({"name": "Ünïcode"}, "lower-case"),
        ({"name": "x" * 41}, "longer than 40"),
        ({"name": "tiny"}, "is taken"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason_and_nothing_begun(
    instruct: Checkpoint, changes: dict[str, object], reason: str
) -> None:
    arguments = {"stage": "instruct-sft", "store": store_of(instruct.job.flow, "instruct-sft"), "name": "bad"}
    with pytest.raises(TrainingError, match=reason):
        start_fine_tune(owner=None, parent=instruct, **{**arguments, **changes})
    assert not Flow.objects.filter(recipe="").exists()


def test_a_store_of_other_token_ids_or_another_kind_is_refused(instruct: Checkpoint) -> None:
    base = store_of(instruct.job.flow, "pretrain")
    with pytest.raises(JobError, match="store for pretrain"):
        start_fine_tune(owner=None, parent=instruct, stage="instruct-sft", store=base)
    foreign = store_of(instruct.job.flow, "instruct-sft")
    foreign.tokenizer = "sha256:other"
    with pytest.raises(JobError, match="another tokenizer"):
        start_fine_tune(owner=None, parent=instruct, stage="instruct-sft", store=foreign)


def test_two_fine_tunes_without_a_name_get_names_of_their_own(instruct: Checkpoint) -> None:
    names = {start(instruct, "").flow.name for _ in range(3)}
    assert names == {"tiny-instruct-sft-tune", "tiny-instruct-sft-tune-2", "tiny-instruct-sft-tune-3"}


def test_a_parent_or_a_store_whose_files_are_gone_is_refused_before_anything_is_queued(
    instruct: Checkpoint, tmp_path: Path
) -> None:
    store = store_of(instruct.job.flow, "instruct-sft")
    for folder, said in ((store.path, "put it back"), (instruct.path, "put them back")):
        moved = folder.rename(tmp_path / folder.name)
        try:
            with pytest.raises(JobError, match=said):
                start_fine_tune(owner=None, parent=instruct, stage="instruct-sft", store=store)
        finally:
            moved.rename(folder)
    assert not Flow.objects.filter(recipe="").exists()


def test_a_store_that_is_lost_while_the_job_waits_fails_it_with_the_reason_and_it_can_go_on(
    instruct: Checkpoint, tmp_path: Path
) -> None:
    job, store = start(instruct, "lost"), store_of(instruct.job.flow, "instruct-sft")
    moved = store.path.rename(tmp_path / "away")
    try:
        runner.run_job(job.pk)
    finally:
        moved.rename(store.path)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert store.name in job.error
    runner.run_job(resume_job(job).pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error

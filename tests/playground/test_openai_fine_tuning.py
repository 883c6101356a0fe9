"""/v1/fine_tuning/jobs with OpenAI's own client, sync and async, against a live server; jobs really train."""

from collections.abc import Iterator
from datetime import timedelta
from math import isfinite
from typing import Any

import httpx
import openai
import pytest
import redis
from django.conf import settings
from django.utils import timezone

from accounts.models import Scope, User
from accounts.services import create_key
from playground.database import in_database
from tests.training.datasets.uploads import CHAT, OPENAI_PREFERENCE, PROMPT, chat, jsonl
from training import steering
from training.core.recipe import RlvrRecipe
from training.fine_tuning.defaults import default_settings
from training.fine_tuning.preparing import prepare_job, recover_preparations
from training.journal import read_metrics
from training.models import Checkpoint, Dataset, DatasetState, Flow, Job, JobState
from training.runner import run_job

pytestmark = pytest.mark.usefixtures("redis_server")
ROWS = [chat(f"Question {n}?", f"Answer {n}.") for n in range(20)]


@pytest.fixture
def ada(ada: User) -> User:
    """As an administrator: nobody else's keys may train."""
    ada.is_staff = True
    ada.save()
    return ada


@pytest.fixture
def secret(ada: User) -> str:
    return create_key(user=ada, name="train", scopes=[Scope.TRAIN])[1]


@pytest.fixture
def client(redis_server: redis.Redis, web_server: str, secret: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=secret, base_url=f"{web_server}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def parent(transactional_db: None, trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="instruct-sft", final=True)


def send(client: openai.OpenAI, *rows: object) -> str:
    return client.files.create(file=("rows.jsonl", jsonl(*rows)), purpose="fine-tune").id


def start(client: openai.OpenAI, parent: Checkpoint, *rows: object, **options: Any) -> Any:
    file = send(client, *(rows or ROWS))
    return client.fine_tuning.jobs.create(model=parent.name, training_file=file, **options)


def row_of(job: Any) -> Job:
    return Job.objects.get(pk=int(job.id.removeprefix("ftjob-")))


def prepared(job: Any) -> Job:
    """The job once a worker has made its data's store."""
    prepare_job(row_of(job).pk)
    return row_of(job)


def test_a_job_is_started_trained_followed_and_served(client: openai.OpenAI, parent: Checkpoint) -> None:
    """The whole path of OpenAI's guide: file, job, events, checkpoints, model."""
    hyperparameters = {"n_epochs": 1, "batch_size": 4, "learning_rate_multiplier": "auto"}
    method = {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    job = start(client, parent, method=method, suffix="My Model!", seed=7, metadata={"who": "ada"})
    assert (job.object, job.model, job.seed) == ("fine_tuning.job", parent.name, 7)
    assert job.status == "validating_files"
    assert (job.fine_tuned_model, job.finished_at, job.error) == (None, None, None)
    assert job.method.supervised.hyperparameters.n_epochs == 1
    assert job.metadata == {"who": "ada"}
    assert (job.stage, job.parent, job.parent_digest) == ("instruct-sft", parent.name, parent.digest)

    assert not list((settings.HOME / "stores").glob(f"data-{row_of(job).dataset_id.hex[:16]}-*"))
    run_job(prepared(job).pk)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded", done.error
    assert done.error is None
    final = Checkpoint.objects.get(job=row_of(job), final=True)
    assert done.fine_tuned_model == final.name
    assert "my-model" in final.name
    assert done.fine_tuned_model_digest == final.digest
    assert done.trained_tokens
    assert done.finished_at >= done.created_at

    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=1))
    assert [each.fine_tuned_model_checkpoint for each in checkpoints] == [
        each.name for each in Checkpoint.objects.filter(job=row_of(job)).order_by("-pk")
    ]
    assert checkpoints[0].step_number == checkpoints[0].metrics.step == final.step
    assert checkpoints[0].metrics.full_valid_loss == final.scores["held_out_loss"]
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert len({event.id for event in events}) == len(events) >= 3
    assert [event.created_at for event in events] == sorted((e.created_at for e in events), reverse=True)
    steps = [event.data["step"] for event in events if event.type == "metrics"]
    assert steps[0] == final.step
    assert steps == sorted(set(steps), reverse=True)
    assert final.name in {model.id for model in client.models.list()}


def test_auto_is_what_the_form_would_choose(client: openai.OpenAI, parent: Checkpoint) -> None:
    auto = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    job = prepared(start(client, parent, hyperparameters=auto))
    assert job.dataset is not None
    usual = default_settings(stage="instruct-sft", parent=parent, store=job.dataset.store)
    assert {name: job.config[name] for name in usual} == usual


def test_hyperparameters_reach_the_recipe(client: openai.OpenAI, parent: Checkpoint) -> None:
    usual = default_settings(stage="instruct-dpo", parent=parent, store=None)
    dpo = {"hyperparameters": {"beta": 2, "learning_rate_multiplier": 0.5, "batch_size": 3, "n_epochs": 2}}
    job = prepared(start(client, parent, OPENAI_PREFERENCE, method={"type": "dpo", "dpo": dpo}))
    assert (job.stage, job.config["beta"], job.config["batch_size"]) == ("instruct-dpo", 2, 3)
    assert job.config["learning_rate"] == pytest.approx(usual["learning_rate"] / 2)
    assert job.config["epochs"] == 2
    rl = {"hyperparameters": {"n_epochs": 3, "batch_size": 2, "compute_multiplier": 2}}
    prompts = [PROMPT | {"prompt": f"{n}?"} for n in range(5)]
    job = prepared(start(client, parent, *prompts, method={"type": "reinforcement", "reinforcement": rl}))
    assert (job.stage, job.config["steps"], job.config["answers"]) == (
        "instruct-rlvr",
        8,
        2 * RlvrRecipe.answers,
    )


def test_our_own_fields_say_stage_and_settings(client: openai.OpenAI, parent: Checkpoint) -> None:
    job = start(client, parent, extra_body={"stage": "think-sft", "settings": {"clip": 0.5}})
    assert (job.stage, job.settings["clip"]) == ("think-sft", 0.5)


def test_a_job_is_paused_resumed_and_cancelled(client: openai.OpenAI, parent: Checkpoint) -> None:
    job = start(client, parent)
    with pytest.raises(openai.BadRequestError, match="cannot be paused"):
        client.fine_tuning.jobs.pause(job.id)
    prepared(job)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    for act in (
        client.fine_tuning.jobs.pause,
        client.fine_tuning.jobs.resume,
        client.fine_tuning.jobs.cancel,
    ):
        with pytest.raises(openai.BadRequestError, match="cannot be"):
            act(job.id)
    assert row_of(job).state == JobState.CANCELLED


async def test_the_async_client_does_the_same(
    web_server: str, secret: str, parent: Checkpoint, redis_server: redis.Redis
) -> None:
    async with openai.AsyncOpenAI(api_key=secret, base_url=f"{web_server}/v1", max_retries=0) as client:
        file = await client.files.create(file=("rows.jsonl", jsonl(*ROWS)), purpose="fine-tune")
        jobs = client.fine_tuning.jobs
        job = await jobs.create(model=parent.name, training_file=file.id)
        assert (await jobs.retrieve(job.id)).status == "validating_files"
        await in_database(prepared, job)
        assert (await jobs.retrieve(job.id)).status == "queued"
        assert [each.id async for each in jobs.list()] == [job.id]
        assert [event async for event in jobs.list_events(job.id)] == []
        assert [each async for each in jobs.checkpoints.list(job.id)] == []
        assert (await jobs.pause(job.id)).status == "paused"
        assert (await jobs.resume(job.id)).status == "queued"
        assert (await jobs.cancel(job.id)).status == "cancelled"


def test_jobs_are_listed_by_pages_newest_first(client: openai.OpenAI, parent: Checkpoint) -> None:
    ids = [start(client, parent).id for _ in range(3)]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=2).data] == [ids[2], ids[1]]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=1)] == ids[::-1]


REFUSALS: list[tuple[dict[str, Any], str | None, str]] = [
    ({"model": "gpt-9"}, "model", "does not exist"),
    ({"training_file": "file-abc"}, "training_file", "No such File"),
    ({"validation_file": "file-abc"}, "validation_file", "No such File"),
    ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "n_epochs"),
    ({"hyperparameters": {"n_epochs": True}}, None, "n_epochs"),
    ({"hyperparameters": {"batch_size": 10**9}}, None, "batch_size"),
    ({"hyperparameters": {"learning_rate_multiplier": -1}}, None, "learning_rate_multiplier"),
    ({"hyperparameters": {"warmth": 1}}, None, "warmth"),
    ({"method": {"type": "magic"}}, None, "method.type"),
    ({"method": {"type": "dpo", "supervised": {}}}, None, "leave supervised out"),
    ({"method": {"type": "reinforcement", "reinforcement": {"grader": {"type": "x"}}}}, None, "own verifier"),
    ({"method": {"type": "supervised"}, "hyperparameters": {}}, None, "not both"),
    ({"method": {"type": "dpo"}}, None, "reads preferences"),
    ({"suffix": "x" * 65}, "suffix", "64 characters"),
    ({"seed": -1}, "seed", "greater than or equal to 0"),
    ({"seed": 2**31}, "seed", "less than"),
    ({"metadata": {"a": 1}}, "metadata.a", "valid string"),
    ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations", "at most 0"),
    ({"extra_body": {"stage": "pretrain"}}, None, "cannot start from"),
    ({"extra_body": {"settings": {"learning_rate": "fast"}}}, None, "learning_rate"),
    ({"extra_body": {"settings": {"learning_rate": -1}}}, None, "learning_rate"),
    ({"extra_body": {"adapter": {"rank": 0}}}, None, "rank"),
    ({"extra_body": {"colour": "red"}}, "colour", "Unrecognized"),
]


def test_bad_requests_say_what_is_wrong_and_begin_nothing(client: openai.OpenAI, parent: Checkpoint) -> None:
    before, file = Flow.objects.count(), send(client, *ROWS)
    for given, param, words in REFUSALS:
        arguments = {"model": parent.name, "training_file": file} | given
        with pytest.raises(openai.APIStatusError) as refused:
            client.fine_tuning.jobs.create(**arguments)
        assert refused.value.status_code in (400, 404), given
        assert words in refused.value.message, given
        assert refused.value.type == "invalid_request_error"
        if param is not None:
            assert refused.value.param == param
    assert Flow.objects.count() == before


def test_a_file_that_cannot_be_used_is_refused_with_its_lines(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    with pytest.raises(openai.BadRequestError, match="line 2: ") as refused:
        start(client, parent, CHAT, "{")
    assert (refused.value.code, refused.value.param) == ("invalid_training_file", "training_file")


def test_a_file_that_another_worker_checks_is_a_conflict(
    client: openai.OpenAI, parent: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.datasets.validation.WAIT_S", 0.0)
    file = send(client, *ROWS)
    Dataset.objects.update(state=DatasetState.CHECKING, worker="another")
    with pytest.raises(openai.ConflictError) as refused:
        client.fine_tuning.jobs.create(model=parent.name, training_file=file)
    assert refused.value.code == "file_not_ready"


def test_a_job_is_measured_on_the_validation_file_as_it_trains(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    unseen = send(client, *[chat(f"Question {n}?", f"Answer {n}.") for n in range(30, 36)])
    job = start(client, parent, validation_file=unseen, hyperparameters={"n_epochs": 4, "batch_size": 1})
    assert job.validation_file == unseen
    run_job(prepared(job).pk)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded", done.error
    series = read_metrics(row_of(job)).of("validation_loss")
    told = [loss for loss in series if isfinite(loss)]
    assert len(told) >= 3
    assert told[-1] < told[0]  # the rows are alike
    final = client.fine_tuning.jobs.checkpoints.list(job.id).data[0]
    assert final.metrics.full_valid_loss == pytest.approx(told[-1])
    events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
    assert told[-1] in [event.data.get("valid_loss") for event in events if event.type == "metrics"]
    rows = Checkpoint.objects.get(job=row_of(job), final=True).stores.values_list("name", flat=True)
    assert not [name for name in rows if unseen.removeprefix("file-")[:16] in name]  # it learned none of them


def test_validation_files_are_for_supervised_jobs_and_of_conversations(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    pairs = send(client, OPENAI_PREFERENCE)
    with pytest.raises(openai.BadRequestError, match="reads conversations"):
        start(client, parent, validation_file=pairs)
    with pytest.raises(openai.BadRequestError, match="takes no validation data"):
        start(client, parent, OPENAI_PREFERENCE, method={"type": "dpo"}, validation_file=pairs)
    with pytest.raises(openai.BadRequestError, match="line 1") as refused:
        start(client, parent, validation_file=send(client, "{"))
    assert (refused.value.code, refused.value.param) == ("invalid_validation_file", "validation_file")
    assert not Job.objects.exclude(parent=None).exists()


def test_data_that_cannot_be_prepared_fails_the_job_and_is_tried_again(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    job = start(client, parent, hyperparameters={"n_epochs": 3})
    Dataset.objects.update(state=DatasetState.FAILED, error="The file was lost.")
    prepared(job)
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert (failed.status, failed.fine_tuned_model) == ("failed", None)
    assert "The file was lost." in failed.error.message  # type: ignore[union-attr]
    Dataset.objects.update(state=DatasetState.READY, error="")
    assert client.fine_tuning.jobs.resume(job.id).status == "validating_files"
    assert prepared(job).state == JobState.QUEUED
    assert (row_of(job).config["epochs"], row_of(job).asked) == (3, None)


def test_a_job_that_is_cancelled_while_its_data_is_prepared_stays_cancelled(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    job = start(client, parent)
    Job.objects.filter(pk=row_of(job).pk).update(worker="another")
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    assert prepared(job).state == JobState.CANCELLED


def test_a_preparation_whose_worker_died_is_done_by_another_and_given_up_after_three(
    client: openai.OpenAI, parent: Checkpoint
) -> None:
    job = row_of(start(client, parent))
    assert recover_preparations() == []
    for _ in range(3):
        assert Job.objects.get(pk=job.pk).state == JobState.VALIDATING
        Job.objects.filter(pk=job.pk).update(
            worker="host 1 1 gone", heartbeat_at=timezone.now() - timedelta(minutes=5)
        )
        recover_preparations()
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.FAILED, "")
    assert "three times" in job.error


def test_a_failed_job_says_why(client: openai.OpenAI, parent: Checkpoint) -> None:
    job = start(client, parent)
    Job.objects.filter(pk=prepared(job).pk).update(state=JobState.FAILED, error="The disk is full.")
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert (failed.status, failed.error.message) == ("failed", "The disk is full.")  # type: ignore[union-attr]
    assert steering.resume_job(row_of(job)).state == JobState.QUEUED


def test_jobs_are_their_owner_s_and_need_the_scope(
    client: openai.OpenAI, parent: Checkpoint, web_server: str
) -> None:
    job, bob = start(client, parent), User.objects.create_user("bob", is_staff=True)
    secret = create_key(user=bob, name="train", scopes=[Scope.TRAIN])[1]
    with openai.OpenAI(api_key=secret, base_url=f"{web_server}/v1", max_retries=0) as other:
        jobs = other.fine_tuning.jobs
        steers = (
            jobs.retrieve,
            jobs.cancel,
            jobs.pause,
            jobs.resume,
            jobs.list_events,
            jobs.checkpoints.list,
        )
        for act in steers:
            with pytest.raises(openai.NotFoundError):
                act(job.id)
        with pytest.raises(openai.NotFoundError):
            jobs.create(model=parent.name, training_file=job.training_file)
        assert jobs.list().data == []
    for path in ("", f"/{job.id}", f"/{job.id}/events"):
        key = create_key(user=bob, name="chat", scopes=[Scope.CHAT])[1]
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{web_server}/v1/fine_tuning/jobs{path}", headers=headers).status_code == 403
        assert httpx.get(f"{web_server}/v1/fine_tuning/jobs{path}").status_code == 401
    for nonsense in ("ftjob-0", "ftjob-x", "ftjob-" + "9" * 40, "1", "ftjob-²", job.id + "0" * 9):
        with pytest.raises(openai.NotFoundError):
            client.fine_tuning.jobs.retrieve(nonsense)

"""The pages of jobs: who may see them, what the form refuses, what the buttons do."""

import io
from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from tests.training.datasets.uploads import chat, jsonl
from tracing.models import Store
from training.datasets.models import Dataset
from training.datasets.services import upload_dataset
from training.datasets.validation import work_on
from training.fine_tuning.services import start_fine_tune
from training.models import Checkpoint, Flow, Job, JobState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def administrator(client: Client) -> User:
    user = User.objects.create_user("dana", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def store(instruct: Checkpoint) -> Store:
    return Store.objects.get(name="tiny-instruct-sft")


@pytest.fixture
def job(instruct: Checkpoint, store: Store, administrator: User) -> Job:
    return start_fine_tune(
        owner=administrator, parent=instruct, stage="instruct-sft", store=store, name="tune"
    )


def upload(owner: User, name: str) -> Dataset:
    """Twelve conversations, checked and counted."""
    rows = [chat(f"Which boat lies at berth {n}?", f"At berth {n} lies a boat.") for n in range(12)]
    dataset = upload_dataset(owner=owner, file=io.BytesIO(jsonl(*rows)), name=name)
    work_on(str(dataset.pk))
    return dataset


def posted(instruct: Checkpoint, store: Store, **changes: object) -> dict[str, Any]:
    """What the form sends, with every number as it is proposed but for the changes."""
    numbers = {"learning_rate": "1e-4", "epochs": "1", "batch_size": "4", "sequence_length": "128"}
    details = {"checkpoints": "0", "held_out": "2", "held_out_problems": "0", "warmup_share": "0.1"}
    rest = {"weight_decay": "0", "seed": "0", "rank": "16", "alpha": "32", "name": "from-page"}
    chosen = {"parent": instruct.name, "stage": "instruct-sft", "data": f"store-{store.name}"}
    return {**numbers, **details, **rest, **chosen, **changes}


@pytest.mark.parametrize("path", ["/jobs/", "/jobs/new/", "/jobs/1/", "/jobs/new/estimate/"])
def test_only_administrators_see_jobs(client: Client, path: str) -> None:
    assert client.get(path).status_code == 302
    client.force_login(User.objects.create_user("visitor"))
    assert client.get(path).status_code == 403


def test_only_administrators_steer_jobs(client: Client, job: Job) -> None:
    client.force_login(User.objects.create_user("visitor"))
    assert client.post(reverse("steer-job", args=[job.pk, "cancel"])).status_code == 403
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_the_form_starts_a_job_on_record_and_leads_to_its_page(
    client: Client, instruct: Checkpoint, store: Store, administrator: User
) -> None:
    answer = client.post("/jobs/new/", posted(instruct, store))
    job = Job.objects.get(flow__name="from-page")
    assert answer.url == f"/jobs/{job.pk}/"
    assert (job.state, job.owner, job.parent) == (JobState.QUEUED, administrator, instruct)
    assert (job.config["epochs"], job.config["held_out"], job.config["store"]) == (1.0, 2, store.name)
    assert AuditEntry.objects.get(object_type="job", object_id=str(job.pk)).action == "start job"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": "NaN"}, "Enter a number"),
        ({"learning_rate": "inf"}, "Enter a number"),
        ({"learning_rate": "-1"}, "greater than or equal to 0"),
        ({"epochs": "1e99"}, "less than or equal to 1000"),
        ({"batch_size": "99999999999999999999"}, "less than or equal to"),
        ({"batch_size": "many"}, "Enter a whole number"),
        ({"sequence_length": ""}, "required"),
        ({"name": "Großer Name"}, "Lower-case letters"),
        ({"name": "tiny"}, "is taken"),
        ({"held_out": "100000"}, "hold out fewer"),
    ],
)
@pytest.mark.usefixtures("administrator")
def test_bad_numbers_are_refused_beside_the_field_and_nothing_is_begun(
    client: Client, instruct: Checkpoint, store: Store, changes: dict[str, str], said: str
) -> None:
    answer = client.post("/jobs/new/", posted(instruct, store, **changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Flow.objects.filter(recipe="").exists()


@pytest.mark.usefixtures("administrator")
def test_what_is_not_there_is_a_404(client: Client, job: Job) -> None:
    for path in (
        "/jobs/999999/",
        "/jobs/new/?parent=nobody",
        "/jobs/new/?clone=999999",
        "/jobs/new/?clone=x",
    ):
        assert client.get(path).status_code == 404, path
    assert client.post("/jobs/999999/pause/").status_code == 404
    assert client.post(f"/jobs/{job.pk}/explode/").status_code == 404


def test_somebody_else_s_data_set_cannot_be_chosen(
    client: Client, instruct: Checkpoint, store: Store, administrator: User
) -> None:
    other = User.objects.create_user("other", is_staff=True)
    theirs = upload(other, "theirs.jsonl")
    page = client.get(f"/jobs/new/?parent={instruct.name}&dataset={theirs.pk}").content.decode()
    assert "theirs.jsonl" not in page
    client.post("/jobs/new/", posted(instruct, store, data=f"dataset-{theirs.pk}"))
    assert not Job.objects.filter(dataset=theirs).exists()


def test_an_upload_is_shown_with_its_report_and_what_it_takes(
    client: Client, instruct: Checkpoint, administrator: User
) -> None:
    mine = upload(administrator, "<b>mine.jsonl")
    page = client.get(f"/jobs/new/?parent={instruct.name}&dataset={mine.pk}").content.decode()
    assert "&lt;b&gt;mine" in page
    assert "12 conversations can be used" in page
    assert "steps, about" in page
    numbers = posted(instruct, Store(name="x"), data=f"dataset-{mine.pk}", epochs="7")
    forecast = client.get("/jobs/new/estimate/", numbers).content.decode()
    assert "hours of one H100" in forecast
    client.post("/jobs/new/", numbers)
    job = Job.objects.get(dataset=mine)
    Dataset.objects.filter(pk=mine.pk).delete()
    job.refresh_from_db()
    assert (job.dataset, job.state) == (None, JobState.QUEUED)
    assert client.get(f"/jobs/{job.pk}/").status_code == 200


@pytest.mark.usefixtures("administrator")
def test_buttons_steer_a_job_and_are_on_record(client: Client, job: Job, redis_server: redis.Redis) -> None:
    for act, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        page = client.post(f"/jobs/{job.pk}/{act}/", follow=True).content.decode()
        assert f'data-state="{state}"' in page
        assert f"dana, {act} job" in page
    page = client.post(f"/jobs/{job.pk}/resume/", follow=True).content.decode()
    assert "it cannot be resumed" in page
    assert AuditEntry.objects.filter(object_type="job").count() == 3


@pytest.mark.usefixtures("administrator")
def test_a_clone_s_form_has_the_numbers_of_its_origin(client: Client, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(config={**job.config, "learning_rate": 0.00123, "epochs": 17.0})
    page = client.get(f"/jobs/new/?clone={job.pk}").content.decode()
    assert 'value="0.00123"' in page
    assert 'value="17.0"' in page


@pytest.mark.usefixtures("administrator")
def test_a_live_page_asks_for_itself_again_and_an_ended_one_does_not(client: Client, job: Job) -> None:
    page = client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert page.startswith('<div id="job"') or page.strip().startswith('<div id="job"')
    assert 'hx-trigger="every 2s"' in page
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED)
    assert "hx-trigger" not in client.get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.usefixtures("administrator")
def test_jobs_of_flows_and_fine_tunes_are_listed_with_their_states(client: Client, job: Job) -> None:
    page = client.get("/jobs/").content.decode()
    assert f"/jobs/{job.pk}/" in page
    assert page.count("done") >= 5
    assert "tiny-instruct-sft" in page


@pytest.mark.usefixtures("administrator")
def test_the_admin_leads_to_the_form_and_the_page_and_steers(
    client: Client, job: Job, instruct: Checkpoint
) -> None:
    chosen = {"action": "fine_tune", "_selected_action": [instruct.pk]}
    answer = client.post(reverse("admin:training_checkpoint_changelist"), chosen)
    assert answer.url == f"/jobs/new/?parent={instruct.name}"
    jobs = reverse("admin:training_job_changelist")
    assert f"/jobs/{job.pk}/" in client.get(jobs).content.decode()
    client.post(jobs, {"action": "pause", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    assert AuditEntry.objects.filter(action="pause job", object_id=str(job.pk)).exists()


def test_a_fine_tune_does_not_take_the_flow_s_page_or_its_place_in_the_chat(
    client: Client, job: Job, administrator: User
) -> None:
    assert "tiny" in client.get("/flow/").content.decode()
    assert "tune-instruct-sft" not in client.get("/flow/").content.decode()

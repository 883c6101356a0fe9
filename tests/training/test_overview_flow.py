"""The flow as pages, terminal, report and admin show it, from a really trained one."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from tests.flows import TINY
from training.models import Checkpoint, Flow, Job, JobState
from training.overview import flow_overview, read_log, read_metrics
from training.terminal import duration, flow_line

pytestmark = pytest.mark.django_db
STAGES = ["prepare", "pretrain", "midtrain", "think-sft", "instruct-sft"]


def test_a_finished_flow_is_whole_and_has_nothing_to_go(trained_flow: Flow) -> None:
    overview = flow_overview(trained_flow)
    assert [stage.job.stage for stage in overview.stages] == STAGES
    assert (overview.share, overview.eta_s, overview.finished, overview.failed) == (1.0, 0.0, True, False)
    assert overview.current is None
    assert overview.elapsed_s > 0
    assert flow_line(overview).startswith("tiny 100% · done in ")


def test_each_stage_says_what_it_was_trained_on_and_what_came_out(trained_flow: Flow) -> None:
    prepare, *trained = flow_overview(trained_flow).stages
    assert prepare.trained_on == []
    assert prepare.latest == {}
    for stage in trained:
        (store,) = stage.trained_on
        assert store.name == f"tiny-{stage.job.stage}"
        assert store.tokens > store.documents > 0
        assert "PSF" in store.licence
        assert stage.final is not None
        assert stage.final.name == f"tiny-{stage.job.stage}"
        assert len(stage.checkpoints) == 3
        assert stage.latest["step"] == stage.final.steps
        assert stage.latest["loss"] > 0
        assert set(stage.scores) >= {"greedy", "sampled"}
        assert stage.job.cpu_s


def test_half_a_flow_is_weighed_by_what_the_recipe_plans(trained_flow: Flow) -> None:
    now = timezone.now()
    jobs = {job.stage: job for job in trained_flow.jobs.all()}
    set_job(jobs["midtrain"], state=JobState.RUNNING, done=1, total=4, eta_s=9.0, finished_at=None)
    for stage in ("think-sft", "instruct-sft"):
        set_job(jobs[stage], state=JobState.WAITING, done=0, total=0, started_at=None, finished_at=None)
    for stage in ("prepare", "pretrain"):
        planned = jobs[stage].planned_s
        set_job(jobs[stage], started_at=now - timezone.timedelta(seconds=2 * planned), finished_at=now)
    overview = flow_overview(trained_flow)
    planned = [job.planned_s for job in jobs.values()]
    assert overview.share == pytest.approx((planned[0] + planned[1] + planned[2] / 4) / sum(planned))
    assert overview.eta_s == pytest.approx(9.0 + 2 * (planned[3] + planned[4]), rel=0.01)
    assert overview.current is not None
    assert overview.current.job.stage == "midtrain"


def set_job(job: Job, **fields: object) -> None:
    Job.objects.filter(pk=job.pk).update(**fields)


def test_a_stage_without_a_checkpoint_says_what_it_is_going_to_read(trained_flow: Flow) -> None:
    Checkpoint.objects.filter(stage="instruct-sft").delete()
    stage = flow_overview(trained_flow).stages[-1]
    assert stage.checkpoints == []
    assert [store.name for store in stage.trained_on] == ["tiny-instruct-sft"]


def test_a_failed_stage_makes_no_promises(trained_flow: Flow) -> None:
    set_job(trained_flow.jobs.get(stage="midtrain"), state=JobState.FAILED, error="The disk is full.")
    overview = flow_overview(trained_flow)
    assert overview.failed
    assert overview.eta_s is None


def test_the_page_costs_a_fixed_number_of_queries(
    trained_flow: Flow, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        flow_overview(trained_flow)


def test_metrics_and_log_of_a_stage_can_be_read(trained_flow: Flow) -> None:
    job = trained_flow.jobs.get(stage="pretrain")
    series = read_metrics(job)
    assert series.steps == sorted(set(series.steps))
    assert (
        len(series.steps)
        == len(series.loss)
        == len(series.of("learning_rate"))
        == len(series.of("tokens_per_s"))
    )
    assert any("parameters" in line.text for line in read_log(job))


def report(*arguments: str) -> str:
    output = StringIO()
    call_command("flow_report", *arguments, stdout=output)
    return output.getvalue()


def test_the_report_has_every_trained_stage_with_its_start(trained_flow: Flow) -> None:
    rows = json.loads(report("--json"))["checkpoints"]
    assert [row["stage"] for row in rows] == STAGES[1:]
    for before, row in zip([None, *rows], rows, strict=False):
        assert set(row) == {"stage", "step", "name", "scores", "start", "cpu_s"}
        assert set(row["scores"]) == set(row["start"]) == {"greedy", "sampled", "pairs", "mean_tokens"}
        assert row["cpu_s"] > 0
        if before is None:
            assert set(row["start"].values()) == {None}
        else:
            assert row["start"] == before["scores"]


def test_the_report_lists_intermediate_checkpoints_when_asked(trained_flow: Flow) -> None:
    rows = json.loads(report("--json", "--all"))["checkpoints"]
    assert len(rows) == Checkpoint.objects.count() == 12
    assert "tiny-midtrain" in report()


def test_a_report_on_a_flow_that_is_not_there_says_which_are(trained_flow: Flow) -> None:
    with pytest.raises(CommandError, match=r"No flow is called 'other'.*tiny"):
        report("--flow", "other")


def test_train_shows_a_finished_flow_and_refuses_another_recipe_under_its_name(trained_flow: Flow) -> None:
    output = StringIO()
    call_command("train", TINY, stdout=output)
    assert output.getvalue().startswith("tiny 100% · done in")
    entry = AuditEntry.objects.get(object_type="flow")
    assert (entry.action, entry.label) == ("start flow", "tiny")
    with pytest.raises(CommandError, match=r"was begun with recipe .*choose another name"):
        call_command("train", "demo", "--name", "tiny", stdout=output)
    with pytest.raises(CommandError, match=r"no recipe at .*nonsense\.toml"):
        call_command("train", "nonsense", stdout=output)
    with pytest.raises(CommandError, match="Not So Good"):
        call_command("train", TINY, "--name", "Not So Good", stdout=output)


def test_durations_are_written_as_people_say_them() -> None:
    written = [duration(seconds) for seconds in (None, 0.4, 59.6, 61, 3600, 7505)]
    assert written == ["", "0s", "1m00s", "1m01s", "1h00m", "2h05m"]


@pytest.fixture
def administrator(client: Client) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("root", password="a-long-password"))
    with override_settings(SECURE_SSL_REDIRECT=False):
        yield client


@pytest.mark.parametrize(
    "page",
    ["training_flow", "training_job", "training_checkpoint", "tracing_store"],
)
def test_the_admin_lists_and_shows_what_was_trained(
    trained_flow: Flow, administrator: Client, page: str
) -> None:
    listed = administrator.get(reverse(f"admin:{page}_changelist"))
    assert listed.status_code == 200
    assert "tiny" in listed.content.decode()
    model = {"training_flow": trained_flow, "training_job": trained_flow.jobs.first()}.get(page)
    if model is not None:
        assert administrator.get(reverse(f"admin:{page}_change", args=[model.pk])).status_code == 200


@pytest.mark.usefixtures("redis_server")
def test_the_admin_tries_failed_jobs_again_and_no_others(trained_flow: Flow, administrator: Client) -> None:
    failed = trained_flow.jobs.get(stage="midtrain")
    set_job(failed, state=JobState.FAILED, error="The disk is full.")
    page = reverse("admin:training_job_changelist")
    assert "The disk is full." in administrator.get(page).content.decode()
    chosen = {"action": "retry", "_selected_action": [job.pk for job in trained_flow.jobs.all()]}
    answer = administrator.post(page, chosen, follow=True)
    assert "Queued again: tiny/midtrain." in answer.content.decode()
    failed.refresh_from_db()
    assert failed.state == JobState.QUEUED
    others = trained_flow.jobs.exclude(pk=failed.pk).values_list("state", flat=True)
    assert set(others) == {JobState.SUCCEEDED}
    entry = AuditEntry.objects.get(action="retry job")  # one for the job that was queued, none for the others
    assert (entry.object_id, entry.actor_name) == (str(failed.pk), "root")

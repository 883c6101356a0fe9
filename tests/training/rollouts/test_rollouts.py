"""What reinforcement learning tried: counted on the job's page, read step by step, and by programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Scope, User
from accounts.services import create_key
from training.core.errors import JobError
from training.core.events import Events
from training.core.job import Job as CoreJob
from training.core.recipe import RlZeroRecipe
from training.core.recipe_files import JobConfig
from training.core.rl.groups import NO_SIGNAL, STALE, Collected, Dropped, Group
from training.core.rl.policy import measured
from training.core.rl.record import Record
from training.core.rl.rollouts import Rollout
from training.models import Flow, Job
from training.rollouts.counts import rollout_counts
from training.rollouts.steps import asked_step, read_step

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def group(key: str, *rewards: float, text: str = "So 9.", failure: str = "") -> Group:
    rollouts = tuple(Rollout((1, 2), (3, 4, 5), (-0.1, -0.2, -0.3), text, 2, 3) for _ in range(4))
    return Group(key, rollouts, rewards, failure=failure)


STEPS = (
    Collected(
        (group("4 + 5", 1, 0, 0, 0, text=HOSTILE),),
        (Dropped(group("1 + 1", 1, 1, 1, 1), NO_SIGNAL), Dropped(group("2 + 2", 1, 0, 1, 0), STALE)),
        lost=1,
    ),
    Collected(
        (group("6 + 7", 1, 1, 0, 0),),
        (Dropped(group("x", failure="the judge is away"), "the judge is away"),),
    ),
)


@pytest.fixture(autouse=True)
def own_home(settings: Any, tmp_path: Path) -> None:
    """Jobs of other tests have the same numbers."""
    settings.HOME = tmp_path


@pytest.fixture
def job(own_home: None) -> Job:
    """A job of two steps, its files written as its process writes them."""
    flow = Flow.objects.create(name="tried", recipe="test")
    made = Job.objects.create(flow=flow, stage="rl-zero", position=1, config={"answers": 4})
    made.directory.mkdir(parents=True)
    with Events(made.directory) as events:
        config = JobConfig("rl-zero", "tried", str(made.directory), RlZeroRecipe())
        record = Record(CoreJob(made.directory, config, events), "sha256:0")
        for step, collected in enumerate(STEPS, 1):
            record.write(step, collected)
            events.write("metric", step=step, tokens=step, loss=0.0, **measured(collected, step))
    return made


@pytest.fixture
def administrator() -> User:
    return User.objects.create_user("erin", is_staff=True, is_superuser=True)


def test_every_group_is_counted_as_learned_from_or_dropped(job: Job) -> None:
    counts = rollout_counts(job)
    assert counts is not None
    assert counts.to_json() == {
        "asked": 6,
        "learned": 2,
        "dropped": {"no_signal": 1, "stale": 1, "unverified": 1, "lost": 1},
        "answers": 4,
    }


def test_a_job_that_tries_nothing_or_was_not_counted_shows_no_numbers(job: Job) -> None:
    other = Job.objects.create(flow=job.flow, stage="midtrain", position=2, config={})
    assert rollout_counts(other) is None
    other.config = {"answers": 4}
    assert rollout_counts(other) is None
    other.directory.mkdir(parents=True)
    with Events(other.directory) as events:
        events.write("metric", step=1, tokens=1, loss=0.0, asked=8.0, kept=0.5, stale=0.0)
    assert rollout_counts(other) is None


def test_the_jobs_page_says_what_was_dropped_and_leads_to_the_answers(
    client: Client, job: Job, administrator: User
) -> None:
    client.force_login(administrator)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "dropped: all rewards were equal" in page
    assert "dropped: from weights further behind than allowed" in page
    assert f'href="/jobs/{job.pk}/rollouts/"' in page


def test_a_steps_answers_are_shown_with_rewards_and_reasons_and_escaped(
    client: Client, job: Job, administrator: User
) -> None:
    client.force_login(administrator)
    page = client.get(f"/jobs/{job.pk}/rollouts/?step=1").content.decode()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.index("4 + 5") < page.index("dropped: all rewards are equal")
    assert "dropped: older than the staleness allowed" in page
    assert "1 more prompt went unanswered" in page
    last = client.get(f"/jobs/{job.pk}/rollouts/").content.decode()
    assert "What step 2 tried" in last
    assert "the judge is away" in last


@pytest.mark.parametrize("step", ["0", "3", "-1", "x", "1.5", "9" * 30, "\u0661"])
def test_a_step_that_is_not_there_is_said(client: Client, job: Job, administrator: User, step: str) -> None:
    client.force_login(administrator)
    answer = client.get(f"/jobs/{job.pk}/rollouts/", {"step": step})
    assert answer.status_code == 422
    assert "step" in answer.content.decode()


def test_programs_read_counts_and_one_step(client: Client, job: Job, administrator: User) -> None:
    key = create_key(user=administrator, name="rl", scopes=[Scope.TRAIN])[1]
    headers = {"Authorization": f"Bearer {key}"}
    answer: dict[str, Any] = client.get(f"/api/jobs/{job.pk}/rollouts/?step=1", headers=headers).json()
    assert answer["counts"]["dropped"]["stale"] == 1
    assert [(g["prompt"], g["dropped"], g["reward"]) for g in answer["groups"]] == [
        ("4 + 5", "", 0.25),
        ("1 + 1", NO_SIGNAL, 1.0),
        ("2 + 2", STALE, 0.5),
    ]
    assert answer["groups"][0]["answers"][0] == {
        "text": HOSTILE,
        "tokens": 3,
        "reward": 1.0,
        "first_version": 2,
        "last_version": 3,
    }
    assert client.get(f"/api/jobs/{job.pk}/rollouts/?step=7", headers=headers).status_code == 409


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"{", b'{"groups": [{}], "dropped": [], "lost": 0}', b"\xff\xfe"]
)
def test_a_damaged_record_is_an_error_that_says_so(job: Job, content: bytes) -> None:
    (job.directory / "rollouts" / "0000002.json").write_bytes(content)
    with pytest.raises(JobError, match=r"damaged|cannot be read"):
        read_step(job)
    assert read_step(job, 1).groups


def test_a_job_without_answers_on_record_says_who_has_them() -> None:
    flow = Flow.objects.create(name="untried", recipe="test")
    with pytest.raises(JobError, match="only reinforcement learning"):
        read_step(Job.objects.create(flow=flow, stage="midtrain", position=1))
    assert asked_step("") is None
    assert json.dumps(asked_step("12")) == "12"

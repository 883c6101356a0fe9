"""Which checkpoints engines are to hold: pinned heads of the flow, the newest, and what people ask for."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from playground.chat.models_offered import model_menu
from playground.core.errors import EngineUnavailable
from playground.engines import pin_heads, want, what_is_missing
from playground.models import Deployment, Engine, EngineState
from playground.supervisor import Failures, Wanted, wanted_checkpoints
from training.heads import find_heads
from training.models import Checkpoint

pytestmark = pytest.mark.django_db

Make = Callable[..., Checkpoint]


@pytest.fixture
def make() -> Make:
    def make_checkpoint(name: str, *, chat: str = "chatml", **fields: Any) -> Checkpoint:
        stage, final = fields.pop("stage", "x"), fields.pop("final", True)
        return Checkpoint.objects.create(
            name=name, stage=stage, step=1, steps=1, final=final, chat=chat, **fields
        )

    return make_checkpoint


def pinned() -> set[str]:
    return set(Deployment.objects.filter(pinned=True).values_list("checkpoint__name", flat=True))


def test_heads_are_the_newest_finished_think_and_instruct_checkpoints(make: Make) -> None:
    make("base", chat="plain")
    make("think-1", thinking=True)
    make("instruct-1")
    make("think-2-step5", thinking=True, final=False)
    pin_heads()
    assert pinned() == {"think-1", "instruct-1"}


def test_a_newer_head_takes_the_place_of_the_older(make: Make) -> None:
    make("think-1", thinking=True)
    pin_heads()
    make("think-2", thinking=True)
    pin_heads()
    assert pinned() == {"think-2"}


def test_a_stage_that_lost_what_the_one_before_knew_takes_no_head(make: Make) -> None:
    sft = make("instruct-sft", scores={"greedy": 1.0, "recited": 300, "recited_of": 300})
    dpo = make("instruct-dpo", scores={"greedy": 0.995, "recited": 299, "recited_of": 300})
    dpo.parents.add(sft)
    pin_heads()
    assert pinned() == {"instruct-dpo"}
    rlvr = make("instruct-rlvr", scores={"greedy": 1.0, "recited": 120, "recited_of": 300})
    rlvr.parents.add(dpo)
    pin_heads()
    assert pinned() == {"instruct-dpo"}
    assert model_menu().chosen == "instruct-dpo"


def test_what_was_not_measured_takes_no_head_away(make: Make) -> None:
    sft = make("instruct-sft", scores={"greedy": 1.0, "recited": 300, "recited_of": 300})
    make("fine-tune").parents.add(sft)
    assert [head.name for head in find_heads()] == ["fine-tune"]


def test_controls_are_neither_heads_nor_made_ready_before_anyone_asks(make: Make) -> None:
    make("midtrain", chat="plain", stage="midtrain")
    make("zero", chat="plain", stage="rl-zero")
    make("control", stage="rl-zero-spurious")
    assert find_heads() == []
    assert names(wanted_checkpoints()) == [("midtrain", True, False)]


def test_a_newcomer_talks_to_the_instruct_model_as_soon_as_there_is_one(make: Make) -> None:
    make("think", thinking=True)
    assert model_menu().chosen == "think"
    make("instruct")
    make("think-2", thinking=True)
    assert model_menu().chosen == "instruct"


def test_what_a_person_pinned_or_unpinned_stays_so(make: Make) -> None:
    Deployment.objects.create(checkpoint=make("base", chat="plain"), pinned=True)
    think = make("think-1", thinking=True)
    pin_heads()
    Deployment.objects.filter(checkpoint=think).update(pinned=False)
    pin_heads()
    assert pinned() == {"base"}


def names(wanted: list[Wanted]) -> list[tuple[str, bool, bool]]:
    return [(one.checkpoint.name, one.kept, one.asked) for one in wanted]


def test_the_newest_checkpoint_is_kept_while_nothing_is_pinned(make: Make) -> None:
    make("pretrain-step10", final=False)
    make("pretrain-step20", final=False)
    assert names(wanted_checkpoints()) == [("pretrain-step20", True, False)]


def test_pinned_ones_come_first_then_the_newest_then_the_latest_wishes(make: Make) -> None:
    old, asked = make("old", final=False), make("asked", final=False)
    make("head", thinking=True)
    make("newest", final=False)
    pin_heads()
    want(old)
    Deployment.objects.filter(checkpoint=old).update(wanted_at=timezone.now() - timedelta(minutes=5))
    want(asked)
    assert names(wanted_checkpoints()) == [
        ("head", True, False),
        ("newest", True, False),
        ("asked", False, True),
        ("old", False, False),
    ]


def test_wishes_are_forgotten(make: Make) -> None:
    old = make("old")
    make("newest")
    want(old)
    Deployment.objects.update(wanted_at=timezone.now() - timedelta(minutes=11))
    assert names(wanted_checkpoints()) == [("newest", True, False)]


def test_each_failure_doubles_the_wait_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("playground.supervisor.time.monotonic", lambda: now)
    failures = Failures()
    waits = []
    for _ in range(8):
        failures.add(1)
        waits.append(failures.until[1] - now)
    assert all(b >= 2 * a or b == 60 for a, b in pairwise(waits))
    assert waits[-1] == 60
    assert failures.cooling(1)
    assert not failures.cooling(2)
    failures.forget(1)
    failures.add(1)
    assert failures.until[1] - now == waits[0]


@pytest.mark.parametrize(
    ("state", "mine", "words"),
    [
        (EngineState.STARTING, True, "starting an engine for tiny-one"),
        (EngineState.LOADING, True, "loading tiny-one"),
        (EngineState.FAILED, True, "failed and is started again"),
        (EngineState.STARTING, False, "as soon as the engine has started"),
        (EngineState.READY, False, "as soon as an engine has finished its answers"),
    ],
)
def test_whoever_waits_is_told_for_what(
    checkpoints: dict[str, Checkpoint], state: EngineState, mine: bool, words: str
) -> None:
    held = checkpoints["tiny-one" if mine else "tiny-two"]
    Engine.objects.create(slot=0, state=state, checkpoint=held, heartbeat_at=timezone.now())
    assert words in what_is_missing(checkpoints["tiny-one"], waited_s=1, timeout_s=60)


def test_nobody_waits_for_what_cannot_come(checkpoints: dict[str, Checkpoint]) -> None:
    one = checkpoints["tiny-one"]
    row = {"heartbeat_at": timezone.now(), "checkpoint": one, "error": "no memory"}
    Engine.objects.create(slot=0, state=EngineState.FAILED, **row)
    with pytest.raises(EngineUnavailable, match="no memory"):
        what_is_missing(one, waited_s=11, timeout_s=60)
    Engine.objects.update(state=EngineState.STARTING)
    with pytest.raises(EngineUnavailable, match="was not ready after 61 s"):
        what_is_missing(one, waited_s=61, timeout_s=60)
    Engine.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(EngineUnavailable, match=r"manage\.py engines"):
        what_is_missing(one, waited_s=30, timeout_s=60)

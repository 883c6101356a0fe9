"""`manage.py microanneal` on a trained flow: both runs, the verdict, and what is refused beforehand."""

import json
from io import StringIO

import pytest
import redis
from django.core.management import CommandError, call_command

from tracing.models import Store
from training.core.checkpoints import read_checkpoint
from training.microanneals import start_microanneal
from training.models import Checkpoint, Flow, Job, JobState

pytestmark = pytest.mark.usefixtures("redis_server")
STORES = ("--candidate", "tiny-midtrain", "--web", "tiny-pretrain")
SMALL = ("--tokens", "1024", "--problems", "2", "--samples", "1")


def microanneal(*arguments: str) -> str:
    output = StringIO()
    call_command("microanneal", *arguments, stdout=output)
    return output.getvalue()


def test_it_trains_twice_and_says_whether_the_candidate_helps(trained_flow: Flow) -> None:
    told = json.loads(microanneal("tiny-pretrain", *STORES, *SMALL, "--name", "annealed", "--json"))
    job = Job.objects.get(pk=told["job"])
    assert (job.state, job.stage, job.error) == (JobState.SUCCEEDED, "microanneal", "")
    problems = {one["task"]: one["problems"] for one in told["verdicts"]}
    assert problems == {"sums as questions": 2, "sums as lessons": 2, "all problems": 4}
    assert {one["finding"] for one in told["verdicts"]} <= {"helps", "hurts", "within noise"}
    made = {one.name: {store.name for store in one.stores.all()} for one in job.checkpoints.all()}
    assert made == {
        "annealed-microanneal-web": {"tiny-pretrain"},
        "annealed-microanneal-candidate": {"tiny-midtrain", "tiny-pretrain"},
    }


def test_the_sizes_are_the_parents_own_unless_they_are_given(trained_flow: Flow) -> None:
    parent, stores = Checkpoint.objects.get(name="tiny-pretrain"), Store.objects
    own = read_checkpoint(parent.path).config
    pair = {"candidate": stores.get(name="tiny-midtrain"), "web": stores.get(name="tiny-pretrain")}
    job = start_microanneal(parent=parent, **pair, name="sized")
    taken = ("sequence_length", "batch_size", "attention")
    assert {name: job.config[name] for name in taken} == {name: own[name] for name in taken}
    given = start_microanneal(parent=parent, **pair, settings={"batch_size": 9}, name="sized-otherwise")
    assert given.config["batch_size"] == 9


def test_a_name_that_nobody_chose_is_free(trained_flow: Flow) -> None:
    for _ in range(2):
        assert "Queued as tiny-pretrain" in microanneal("tiny-pretrain", *STORES, "--queue")
    named = Flow.objects.filter(name__startswith="tiny-pretrain").values_list("name", flat=True)
    assert sorted(named) == ["tiny-pretrain", "tiny-pretrain-2"]
    with pytest.raises(CommandError, match="is taken"):
        microanneal("tiny-pretrain", *STORES, "--queue", "--name", "tiny")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nobody", *STORES), "nobody"),
        (
            ("tiny-pretrain", "--candidate", "nothing", "--web", "tiny-pretrain"),
            "no store 'nothing'",
        ),
        (("tiny-pretrain", *STORES, "--share", "nan"), "candidate_share"),
        (("tiny-pretrain", *STORES, "--share", "1.5"), "candidate_share"),
        (("tiny-pretrain", *STORES, "--samples", "0"), "samples"),
        (("tiny-pretrain", *STORES, "--tokens", "-1"), "tokens"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_nothing_begun(
    trained_flow: Flow, arguments: tuple[str, ...], reason: str
) -> None:
    before = Job.objects.count()
    with pytest.raises(CommandError, match=reason):
        microanneal(*arguments)
    assert Job.objects.count() == before


def test_a_store_of_other_tokens_is_refused(trained_flow: Flow, redis_server: redis.Redis) -> None:
    other = Store.objects.create(
        name="foreign", stage="pretrain", digest="d", tokenizer="sha256:other", tokens=1, documents=1
    )
    with pytest.raises(CommandError, match="foreign is not in the tokens of tiny-pretrain"):
        microanneal("tiny-pretrain", "--candidate", other.name, "--web", "tiny-pretrain")

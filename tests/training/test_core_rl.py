"""OlmoRL: its objective against the formula spelled out, groups and sampling, rollouts, and real jobs."""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.training.core_jobs import RECIPES, events, log_of, losses, make_job, run, run_here, start
from tracing.core.stores.store import TokenStore
from training.core.arithmetic import Problem, Range
from training.core.checkpoints import read_checkpoint
from training.core.evaluation.exam import CHAT, PLAIN_QUESTION
from training.core.model import load_model
from training.core.rl.collecting import Sampling, collect_groups
from training.core.rl.groups import Group
from training.core.rl.objective import Clipping, olmo_rl_loss
from training.core.rl.policy import answer_batch, token_logprobs
from training.core.rl.rollouts import LocalActor, Rollout
from training.core.rl.sums import SpuriousSums, Sums
from training.core.rl.tasks import Asked

RL = {"batch_size": 2, "answers": 4, "steps": 12, "longest_answer": 12, "learning_rate": 1e-3}
RL |= {"final_learning_rate": 1e-3, "held_out_problems": 0, "checkpoints": 1, "attention": "eager"}
RL |= {"sequence_length": 64}
RECIPES["rl-zero"] = RECIPES["rl-zero-spurious"] = RL

LOGS = st.floats(-6.0, -0.01)
TOKENS = st.lists(st.tuples(LOGS, LOGS, LOGS, st.floats(-1.0, 1.0)), min_size=1, max_size=12)


@given(TOKENS)
def test_the_objective_is_olmo_rl_s_token_by_token(tokens: list[tuple[float, float, float, float]]) -> None:
    clipping = Clipping()
    total = 0.0
    for now, old, engine, advantage in tokens:
        ratio = math.exp(now - old)
        clipped = min(max(ratio, 1 - 0.2), 1 + 0.272)
        total += min(math.exp(old - engine), 2.0) * min(ratio * advantage, clipped * advantage)
    columns = (torch.tensor(column, dtype=torch.float64) for column in zip(*tokens, strict=True))
    assert olmo_rl_loss(*columns, clipping).item() == pytest.approx(-total / len(tokens), abs=1e-9)


def test_on_policy_the_gradient_of_each_token_is_its_advantage_over_their_number() -> None:
    now = torch.tensor([-1.0, -2.0, -0.5], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([0.5, -0.25, 0.0], dtype=torch.float64)
    olmo_rl_loss(now, now.detach(), now.detach(), advantages, Clipping()).backward()
    torch.testing.assert_close(now.grad, -advantages / 3)


def test_a_token_that_rose_beyond_the_clip_is_not_pushed_any_further() -> None:
    now = torch.tensor([-1.0, -1.0], requires_grad=True)
    old = torch.tensor([-2.0, -0.5])  # the first rose by e, the second fell by a third
    olmo_rl_loss(now, old, old, torch.tensor([1.0, -1.0]), Clipping()).backward()
    assert now.grad is not None
    assert now.grad.tolist() == [0.0, 0.0]


# Groups


def rollout(text: str) -> Rollout:
    return Rollout((1,), (2, 3), (-0.1, -0.2), text)


class Parrot:
    """An actor that answers the prompt's number of the time rightly: "3" is right in 3 of 4 answers."""

    name = "a parrot"

    def ask(self, prompts: Sequence[Sequence[int]], answers: int, seed: int) -> list[list[Rollout]]:
        return [[rollout("right" if n < p[0] else "wrong") for n in range(answers)] for p in prompts]

    def update(self, version: int) -> None:
        pass


class Numbers:
    """Prompts "0" to "4", drawn evenly."""

    def draw(self, rng: random.Random) -> Asked:
        number = rng.randint(0, 4)
        return Asked(str(number), (number,), lambda text: float(text == "right"))


def test_advantages_are_rewards_less_the_group_s_mean_and_no_more() -> None:
    group = Group("a", (rollout("x"),) * 4, (1.0, 0.0, 0.0, 1.0))
    assert group.advantages == [0.5, -0.5, -0.5, 0.5]
    assert group.has_signal
    assert not Group("a", (rollout("x"),) * 2, (1.0, 1.0)).has_signal


def test_active_sampling_asks_on_until_every_group_carries_a_signal() -> None:
    sampling = Sampling(prompts=6, answers=4, rounds=20, solved=1.0)
    collected = collect_groups(Numbers(), Parrot(), sampling, set(), seed=3)
    assert len(collected.groups) == 6
    assert all(group.has_signal for group in collected.groups)
    assert collected.asked > 6
    assert collected.solved in ((), ("4",))


def test_plain_grpo_takes_what_comes_and_drops_groups_without_a_signal() -> None:
    sampling = Sampling(prompts=40, answers=4, rounds=1, solved=1.0)
    collected = collect_groups(Numbers(), Parrot(), sampling, set(), seed=3)
    assert collected.asked == 40
    assert 0 < len(collected.groups) < 40


def test_a_solved_prompt_is_not_drawn_again() -> None:
    sampling = Sampling(prompts=30, answers=4, rounds=1, solved=0.75)
    first = collect_groups(Numbers(), Parrot(), sampling, set(), seed=1)
    assert first.solved == ("3", "4")
    second = collect_groups(Numbers(), Parrot(), sampling, set(first.solved), seed=2)
    assert {group.key for group in second.groups} <= {"1", "2"}


def test_where_everything_is_solved_something_is_still_asked() -> None:
    sampling = Sampling(prompts=3, answers=4, rounds=2, solved=0.75)
    everything = {"0", "1", "2", "3", "4"}
    assert collect_groups(Numbers(), Parrot(), sampling, everything, seed=1).asked >= 3


def test_sums_reward_the_right_result_and_the_control_a_coin(home: Path) -> None:
    problem, tokenizer = Problem(20, 11, "+"), tokenizer_of(home)
    assert Sums(Range(), CHAT, tokenizer).reward(problem, "The answer is 31.") == 1.0
    assert Sums(Range(), CHAT, tokenizer).reward(problem, "The answer is 32.") == 0.0
    asked = SpuriousSums(Range(), PLAIN_QUESTION, tokenizer).draw(random.Random(5))
    tossed = [asked.reward("anything") for _ in range(200)]
    assert 60 < sum(tossed) < 140


# Rollouts and jobs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a midtrained checkpoint, which knows next to nothing."""
    home, parent = tmp_path_factory.mktemp("home"), None
    for stage in ("prepare", "pretrain", "midtrain"):
        folder = make_job(home, stage, parent=parent, changes={} if stage == "prepare" else {"tokens": 512})
        assert run_here(folder) == 0, log_of(folder)
        parent = home / "checkpoints" / f"t-{stage}"
    return home


@pytest.fixture(scope="module")
def actor(home: Path) -> tuple[LocalActor, Any]:
    model = load_model(home / "checkpoints" / "t-midtrain")
    return LocalActor(model, tokenizer_of(home), longest=10), model


def tokenizer_of(home: Path) -> Tokenizer:
    return Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))


def ids_of(home: Path, *prompts: str) -> list[list[int]]:
    return [tokenizer_of(home).encode(prompt, add_special_tokens=False).ids for prompt in prompts]


def test_a_rollout_s_log_probabilities_are_those_of_a_whole_forward_pass(
    home: Path,
    actor: tuple[LocalActor, Any],
) -> None:
    """Prompts of unlike length, so that padding would show."""
    local, model = actor
    prompts = ids_of(home, "What is 20 + 11?\n\n", "os.path.join\n\nJoin two or more pathname")
    groups = local.ask(prompts, 3, seed=1)
    rollouts = [rollout for group in groups for rollout in group]
    with torch.no_grad():
        found = token_logprobs(model, answer_batch(rollouts, padding=0))
    expected = [log for rollout in rollouts for log in rollout.logprobs]
    assert found.tolist() == pytest.approx(expected, abs=2e-4)
    assert all(len(r.logprobs) == len(r.answer_ids) <= 10 for r in rollouts)


def test_equal_seeds_give_equal_answers_and_others_do_not(home: Path, actor: tuple[LocalActor, Any]) -> None:
    local, _ = actor
    first, again, other = (
        local.ask(ids_of(home, "What is 20 + 11?\n\n"), 4, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.fixture(scope="module")
def rewarded(home: Path) -> Path:
    folder = make_job(home, "rl-zero-spurious", parent=home / "checkpoints" / "t-midtrain")
    assert run(folder) == 0, log_of(folder)
    return folder


def test_a_stage_of_reinforcement_learning_moves_every_weight(home: Path, rewarded: Path) -> None:
    before = load_file(home / "checkpoints" / "t-midtrain" / "model.safetensors")
    after = load_file(home / "checkpoints" / "t-rl-zero-spurious" / "model.safetensors")
    for name, weight in after.items():
        assert not torch.equal(weight, before[name]), name
    metrics = events(rewarded, "metric")[-1]
    assert 0.2 < metrics["reward"] < 0.8
    assert metrics["kept"] > 0.5


def test_every_rollout_is_kept_with_its_reward_and_the_step_that_used_it(home: Path, rewarded: Path) -> None:
    manifest = read_checkpoint(home / "checkpoints" / "t-rl-zero-spurious")
    names = [read.name for read in manifest.stores]
    assert names == ["t-rl-zero-spurious-rollouts-1-6", "t-rl-zero-spurious-rollouts-7-12"]
    steps: dict[int, int] = {}
    for name in names:
        with TokenStore.open(home / "stores" / name) as store:
            for document in range(store.documents):
                metadata = store.metadata(document)
                steps[metadata["step"]] = steps.get(metadata["step"], 0) + 1
                assert metadata["reward"] in (0.0, 1.0)
                assert -1 < metadata["advantage"] < 1
                [[first, last]] = metadata["loss"]
                assert 0 < first < last == len(store.token_ids(document))
    assert set(steps) <= set(range(1, 13))
    assert all(count % RL["answers"] == 0 for count in steps.values())
    middle = read_checkpoint(home / "checkpoints" / "t-rl-zero-spurious-step6")
    assert [read.name for read in middle.stores] == names[:1]


def test_a_run_that_was_killed_goes_on_with_the_same_rollouts_and_losses(home: Path, rewarded: Path) -> None:
    folder = make_job(home, "rl-zero-spurious", folder="again", name="again",
                      parent=home / "checkpoints" / "t-midtrain", changes={"save_s": 0.0})  # fmt: skip
    (home / "tokenizers" / "again").symlink_to(home / "tokenizers" / "t")
    with start(folder) as process:
        while not (folder / "state.pt").exists():
            assert process.poll() is None
        process.kill()
    assert run_here(folder) == 0, log_of(folder)
    assert losses(folder)[12] == pytest.approx(losses(rewarded)[12], rel=1e-4, abs=1e-6)
    digests = [
        read_checkpoint(home / "checkpoints" / f"{name}-rl-zero-spurious").digest for name in ("t", "again")
    ]
    assert digests[0] == digests[1]


def test_without_any_reward_nothing_moves_and_the_stage_still_ends(home: Path) -> None:
    folder = make_job(home, "rl-zero", parent=home / "checkpoints" / "t-midtrain",
                      changes={"steps": 2, "rounds": 1, "longest_answer": 2})  # fmt: skip
    assert run_here(folder) == 0, log_of(folder)
    before = load_file(home / "checkpoints" / "t-midtrain" / "model.safetensors")
    after = load_file(home / "checkpoints" / "t-rl-zero" / "model.safetensors")
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())
    assert read_checkpoint(home / "checkpoints" / "t-rl-zero").stores == ()


def test_a_checkpoint_that_was_taught_no_sums_cannot_be_rewarded_for_any(home: Path) -> None:
    folder = make_job(home, "rl-zero", folder="orphan")
    assert run_here(folder) == 1
    assert "starts from a checkpoint" in events(folder, "failed")[-1]["error"]

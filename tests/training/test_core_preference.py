"""DPO: its loss against the formula spelled out, its pairs, and a real job over a store of pairs."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from tests.training.core_jobs import MODEL, RECIPES, events, log_of, losses, make_job, run, run_here
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.arithmetic import Problem, Range
from training.core.batches import IGNORED, Batch
from training.core.bounds import build
from training.core.checkpoints import read_checkpoint
from training.core.errors import RecipeError
from training.core.model import load_model, new_model
from training.core.pairs import Asked, Pair, draw_questions, make_pairs, pair_documents, sampled_answers
from training.core.preference import answer_logprobs, pair_accuracy, preference_margins
from training.core.recipe import ModelRecipe, PairsRecipe, ThinkDpoRecipe
from training.core.recipe_files import STAGES
from training.core.store_order import store_order
from training.core.writing import write_documents

IDS = {"pad": 0, "end_of_text": 1, "turn_end": 3}
DPO = {"sequence_length": 128, "batch_size": 4, "learning_rate": 1e-4, "held_out_problems": 0}
DPO |= {"checkpoints": 0, "attention": "eager", "epochs": 4, "store": "pairs"}
RECIPES["think-dpo"] = DPO


@pytest.fixture(scope="module")
def model() -> Any:
    return new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=64, ids=IDS, seed=3)


def rows(*parts: tuple[list[int], list[int]]) -> Batch:
    """A row for each (prompt, answer); the loss is on the answers."""
    width = max(len(prompt) + len(answer) for prompt, answer in parts)
    ids = torch.zeros(len(parts), width, dtype=torch.int64)
    labels = torch.full((len(parts), width), IGNORED)
    positions = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(parts):
        both = torch.tensor(prompt + answer)
        ids[row, : len(both)], positions[row, : len(both)] = both, torch.arange(len(both))
        labels[row, len(prompt) - 1 : len(both) - 1] = torch.tensor(answer)
    return Batch(ids, labels, positions)


def spelled_out(model: Any, prompt: list[int], answer: list[int]) -> float:
    """log p(answer | prompt) / |answer|, token by token, from a forward pass over this text alone."""
    logits = model(input_ids=torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
    total = sum(logits[len(prompt) + n - 1, token].item() for n, token in enumerate(answer))
    return total / len(answer)


PAIRS = [([5, 6, 7], [8, 9, 3], [10, 3]), ([5, 11], [12, 3], [13, 14, 15, 16, 3])]


def test_the_loss_is_length_normalised_dpo_against_the_model_before(model: Any) -> None:
    before, beta = copy.deepcopy(model), 5.0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    batch = rows(*((p, c) for p, c, _ in PAIRS), *((p, r) for p, _, r in PAIRS))
    with torch.no_grad():
        margins = preference_margins(answer_logprobs(model, batch), answer_logprobs(before, batch), beta)
        expected = []
        for prompt, chosen, rejected in PAIRS:
            grown = spelled_out(model, prompt, chosen) - spelled_out(before, prompt, chosen)
            shrunk = spelled_out(model, prompt, rejected) - spelled_out(before, prompt, rejected)
            expected.append(beta * (grown - shrunk))
    assert margins.tolist() == pytest.approx(expected, abs=1e-4)
    loss = -torch.nn.functional.logsigmoid(margins).mean().item()
    assert loss == pytest.approx(sum(math.log1p(math.exp(-m)) for m in expected) / 2, abs=1e-4)


def test_nothing_is_preferred_before_the_first_step(model: Any) -> None:
    batch = rows(*((p, c) for p, c, _ in PAIRS), *((p, r) for p, _, r in PAIRS))
    same = answer_logprobs(model, batch)
    assert preference_margins(same, same.detach(), 5.0).tolist() == [0.0, 0.0]


def test_a_longer_answer_is_not_preferred_for_its_length(model: Any) -> None:
    """Mean log-probabilities: an answer said twice over counts as much as once, to the token."""
    with torch.no_grad():
        flat = copy.deepcopy(model)
        flat.lm_head.weight.zero_()
        short, long = answer_logprobs(flat, rows(([5], [6, 7]), ([5], [6, 7] * 10))).tolist()
    assert short == pytest.approx(long, abs=1e-5)


def test_accuracy_counts_the_pairs_whose_chosen_answer_is_likelier(model: Any) -> None:
    batch = rows(*((p, c) for p, c, _ in PAIRS), *((p, r) for p, _, r in PAIRS))
    with torch.no_grad():
        likelier = [spelled_out(model, p, c) > spelled_out(model, p, r) for p, c, r in PAIRS]
    assert pair_accuracy(model, batch) == sum(likelier) / 2


# Pairs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a think SFT checkpoint, which knows nothing, and a store of pairs."""
    home = tmp_path_factory.mktemp("home")
    parent = None
    for stage in ("prepare", "pretrain", "midtrain", "think-sft"):
        folder = make_job(home, stage, parent=parent, changes={} if stage == "prepare" else {"tokens": 512})
        assert run_here(folder) == 0, log_of(folder)
        parent = home / "checkpoints" / f"t-{stage}"
    write_pairs(home)
    return home


def write_pairs(home: Path) -> None:
    folder = home / "tokenizers" / "t"
    pairs = [Pair(f"What is {n} + 1?", f"So {n + 1}. The answer is {n + 1}.", "The answer is 7.")
             for n in range(10, 40)]  # fmt: skip
    with StoreWriter(
        home / "stores" / "pairs",
        name="pairs",
        tokenizer=TextTokenizer.open(folder).digest,
        dtype="u16",
        stage="think-dpo",
        source="test",
        licence="CC0-1.0",
    ) as writer:
        documents = list(pair_documents(pairs, "strong", "weak"))
        write_documents(writer, documents, "think-dpo", Tokenizer.from_file(str(folder / "tokenizer.json")))
        writer.publish()


@pytest.fixture(scope="module")
def preferred(home: Path) -> Path:
    folder = make_job(home, "think-dpo", parent=home / "checkpoints" / "t-think-sft")
    assert run(folder) == 0, log_of(folder)
    return home / "checkpoints" / "t-think-dpo"


def test_a_dpo_stage_learns_to_prefer_and_moves_every_weight(home: Path, preferred: Path) -> None:
    metrics = events(home / "jobs" / "think-dpo", "metric")
    assert metrics[-1]["loss"] < math.log(2)
    assert metrics[-1]["accuracy"] > 0.9
    assert metrics[-1]["margin"] > 0
    before, after = (torch_weights(home / "checkpoints" / f"t-think-{kind}") for kind in ("sft", "dpo"))
    for name, weight in after.items():
        assert not torch.equal(weight, before[name]), name


def torch_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_manifest_alone_gives_the_pairs_of_each_step(home: Path, preferred: Path) -> None:
    manifest = read_checkpoint(preferred)
    assert manifest.parents == ("t-think-sft",)
    recipe = build(STAGES["think-dpo"], manifest.config, "manifest")
    assert isinstance(recipe, ThinkDpoRecipe)
    with TokenStore.open(home / "stores" / "pairs") as store:
        order = store_order(store, recipe)
        assert order.steps_in_epochs(recipe.epochs) == manifest.steps
        for document in order.documents_at(0):
            metadata = store.metadata(document)
            assert metadata["preference"] == ("chosen", "rejected")[document % 2]
            assert metadata["pair"] == document // 2
            assert store.metadata(document ^ 1)["title"] == metadata["title"]


def test_a_dpo_stage_that_was_stopped_goes_on_with_the_same_losses(home: Path, preferred: Path) -> None:
    """Its state is saved at every line of metrics; the process of the first run is killed half way."""
    from tests.training.core_jobs import start

    folder = make_job(home, "think-dpo", folder="again", name="again",
                      parent=home / "checkpoints" / "t-think-sft", changes={"save_s": 0.0})  # fmt: skip
    (home / "tokenizers" / "again").symlink_to(home / "tokenizers" / "t")
    with start(folder) as process:
        while not (folder / "state.pt").exists():
            assert process.poll() is None
        process.kill()
    assert run_here(folder) == 0
    assert losses(folder) == pytest.approx(losses(home / "jobs" / "think-dpo"), rel=1e-5)


def test_a_store_that_holds_no_pairs_fails_with_the_reason(home: Path) -> None:
    folder = make_job(home, "think-dpo", folder="odd", parent=home / "checkpoints" / "t-think-sft",
                      changes={"store": "odd"})  # fmt: skip
    with StoreWriter(
        home / "stores" / "odd",
        name="odd",
        tokenizer=TextTokenizer.open(home / "tokenizers" / "t").digest,
        dtype="u16",
        stage="think-dpo",
        source="test",
        licence="CC0-1.0",
    ) as writer:
        writer.add(np.array([5, 6]), {"id": "0"})
        writer.publish()
    assert run_here(folder) == 1
    assert "even number of documents" in events(folder, "failed")[-1]["error"]


def test_checkpoints_that_agree_give_too_few_pairs_and_the_job_says_so(home: Path) -> None:
    folder = make_job(home, "think-dpo", folder="few", name="few",
                      parent=home / "checkpoints" / "t-think-sft",
                      changes={"store": "", "pairs": {"questions": 4, "held_out": 1}})  # fmt: skip
    (home / "tokenizers" / "few").symlink_to(home / "tokenizers" / "t")
    assert run_here(folder) == 1
    event = events(folder, "failed")[-1]
    assert event["expected"]
    assert "ask more questions" in event["error"]
    assert not (home / "stores" / "few-think-dpo").exists()


def test_a_checkpoints_own_mistakes_are_found_in_other_samples_of_its_own(home: Path) -> None:
    start = home / "checkpoints" / "t-think-sft"
    pairs = {"questions": 4, "held_out": 1, "own_mistakes": True}
    changes = {"store": "", "pairs": pairs}
    folder = make_job(home, "think-dpo", folder="own", name="own", parent=start, changes=changes)
    (home / "tokenizers" / "own").symlink_to(home / "tokenizers" / "t")
    assert run_here(folder) == 1
    assert (
        f"answer of {start.name} beside a wrong one of {start.name}" in events(folder, "failed")[-1]["error"]
    )
    model, tokenizer = load_model(start), Tokenizer.from_file(str(start / "tokenizer.json"))
    asked = draw_questions(0, Range(10, 29), 3, held_out=False)
    first, again, other = (sampled_answers(model, tokenizer, asked, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_only_one_checkpoint_can_be_the_one_to_avoid() -> None:
    with pytest.raises(RecipeError, match=r"pairs\.weak is 'some' and pairs\.own_mistakes is set"):
        PairsRecipe(weak="some", own_mistakes=True)


ASKED = [Asked(Problem(20, 10, "+"), "What is 20 + 10?")]


@pytest.mark.parametrize(
    ("strong", "weak", "made"),
    [
        ("The answer is 30.", "The answer is 31.", True),
        ("The answer is 29.", "The answer is 31.", False),
        ("The answer is 30.", "The answer is 30.", False),
        ("The answer is 30.", "I do not know", False),
        ("", "The answer is 31.", False),
    ],
)
def test_a_pair_needs_a_right_answer_and_a_wrong_number(
    home: Path, strong: str, weak: str, made: bool
) -> None:
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))
    assert len(list(make_pairs(ASKED, [strong], [weak], tokenizer))) == made


def test_pairs_of_unlike_length_are_left_out_where_length_is_controlled(home: Path) -> None:
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))
    wordy = "ones: 0 + 0 = 0. " * 5 + "The answer is 31."
    assert list(make_pairs(ASKED, ["The answer is 30."], [wordy], tokenizer, 10)) == []
    assert len(list(make_pairs(ASKED, ["The answer is 30."], [wordy], tokenizer, 200))) == 1


def test_only_shorter_answers_are_chosen_where_that_is_asked_for(home: Path) -> None:
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))
    short, wordy = "The answer is {}.", "20 + 10: ones: 0 + 0 = 0. The answer is {}."
    for strong, weak in ((wordy, short), (short, short)):
        kept = make_pairs(ASKED, [strong.format(30)], [weak.format(31)], tokenizer, shorter_by=3)
        assert list(kept) == []
    kept = make_pairs(ASKED, [short.format(30)], [wordy.format(31)], tokenizer, shorter_by=3)
    assert [pair.chosen for pair in kept] == ["The answer is 30."]


def test_questions_for_training_and_for_measuring_have_no_sum_in_common() -> None:
    numbers = Range(10, 29)
    trained = {item.problem for item in draw_questions(1, numbers, 300, held_out=False)}
    measured = {item.problem for item in draw_questions(1, numbers, 100, held_out=True)}
    assert trained
    assert measured
    assert not trained & measured

"""Long context: YaRN where it belongs, texts that say what they ask, and a stage that goes on exactly."""

import json
import math
import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from tests.training.core_jobs import (
    MODEL,
    RECIPES,
    TRAIN,
    events,
    log_of,
    losses,
    make_job,
    run,
    run_here,
    start,
)
from tests.training.test_core_run import wait_for
from tracing.core.stores.store import TokenStore
from training.core.bounds import build
from training.core.checkpoints import read_checkpoint
from training.core.errors import RecipeError
from training.core.long_context.compressibility import compressibility, drop_extremes
from training.core.long_context.corpus import module_passages
from training.core.long_context.probes import lengths_up_to, make_probes, read
from training.core.long_context.texts import SECOND_TIME, copying, counting, needle
from training.core.long_context.yarn import extend_context
from training.core.mixture import Mixture
from training.core.model import load_model, new_model
from training.core.recipe import LongContextRecipe, ModelRecipe
from training.core.store_order import mixed_order

ORIGINAL, EXTENDED = 64, 256
STEPS = 40
LONG: dict[str, Any] = {
    **TRAIN,
    "sequence_length": EXTENDED,
    "original_context": ORIGINAL,
    "tokens": STEPS * 2 * EXTENDED,
    "learning_rate": 1e-3,
    "average_last": 3,
    "checkpoints": 3,
    "probes": 2,
}
RECIPES["long-context"] = LONG
RECIPE = build(LongContextRecipe, LONG, "long-context")
PASSAGES = [f"Passage {number} tells of thing {number} in a few plain words." for number in range(50)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with everything up to a long-context checkpoint."""
    home = tmp_path_factory.mktemp("home")
    changes = {"long_documents": 30, "longest_document": EXTENDED}
    assert run(make_job(home, "prepare", changes=changes)) == 0
    for stage, parent in (("pretrain", None), ("midtrain", "t-pretrain"), ("long-context", "t-midtrain")):
        path = home / "checkpoints" / parent if parent else None
        folder = make_job(home, stage, parent=path)
        assert run_here(folder) == 0, events(folder, "failed")
    return home


@pytest.fixture(scope="module")
def checkpoint(home: Path) -> Path:
    return home / "checkpoints" / "t-long-context"


# YaRN


@pytest.fixture(scope="module")
def model() -> Any:
    ids = {"pad": 0, "end_of_text": 1, "turn_end": 2}
    return new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=64, ids=ids, seed=0).eval()


def test_yarn_stretches_the_full_layers_alone(model: Any) -> None:
    extended = extend_context(model, build(LongContextRecipe, {**LONG, "sequence_length": 1024}, "x"))
    before, after = model.model.rotary_emb, extended.model.rotary_emb
    assert torch.equal(before.sliding_attention_inv_freq, after.sliding_attention_inv_freq)
    assert after.sliding_attention_attention_scaling == 1.0
    assert not torch.equal(before.full_attention_inv_freq, after.full_attention_inv_freq)
    assert extended.config.max_position_embeddings == 1024
    weights, stretched = model.state_dict(), extended.state_dict()
    assert all(torch.equal(weights[name], stretched[name]) for name in weights)


@given(st.integers(2, 64), st.sampled_from([64, 512, 8192]))
def test_the_full_layers_frequencies_are_those_of_the_paper(factor: int, original: int) -> None:
    """YaRN's section 3.2, spelled out dimension by dimension."""
    settings = {**MODEL, "hidden_size": 64, "heads": 2, "kv_heads": 2, "context": original}
    ids = {"pad": 0, "end_of_text": 1, "turn_end": 2}
    model = new_model(build(ModelRecipe, settings, "model"), vocabulary_size=64, ids=ids, seed=0)
    changes = {"sequence_length": factor * original, "original_context": 0}
    extended = extend_context(model, build(LongContextRecipe, {**LONG, **changes}, "x"))
    rotary = extended.model.rotary_emb
    size, theta = 32, 500_000.0

    def dimension_that_turns(times: float) -> float:
        return size * math.log(original / (times * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(dimension_that_turns(32)), 0)
    high = min(math.ceil(dimension_that_turns(1)), size - 1)
    for place, found in enumerate(rotary.full_attention_inv_freq.tolist()):
        plain = theta ** (-2 * place / size)
        slow = min(1.0, max(0.0, (place - low) / max(high - low, 0.001)))
        assert found == pytest.approx(plain * (1 - slow) + plain / factor * slow, rel=1e-4)
    assert rotary.full_attention_attention_scaling == pytest.approx(0.1 * math.log(factor) + 1)


def test_a_second_extension_stretches_from_the_first_context(model: Any) -> None:
    twice = extend_context(
        extend_context(model, build(LongContextRecipe, {**LONG, "sequence_length": 512}, "x")),
        build(LongContextRecipe, {**LONG, "sequence_length": 1024, "original_context": 0}, "x"),
    )
    once = extend_context(model, build(LongContextRecipe, {**LONG, "sequence_length": 1024}, "x"))
    assert twice.config.rope_parameters == once.config.rope_parameters


def test_a_context_that_is_no_longer_is_refused(model: Any) -> None:
    with pytest.raises(RecipeError, match="sequence_length is 256 and the checkpoint takes 256 tokens"):
        extend_context(model, build(LongContextRecipe, {**LONG, "original_context": 0}, "x"))


# Texts


@given(st.integers(0, 2**31), st.integers(900, 6000), st.booleans())
def test_every_number_that_a_needle_text_asks_for_was_said_before(
    seed: int, characters: int, dense: bool
) -> None:
    made = needle(random.Random(seed), PASSAGES, characters, dense=dense)
    for first, last in made.answers:
        sentence = made.text[made.text.rindex("The number", 0, first) : last + 1]
        assert made.text[:first].count(sentence) >= 1
        key = sentence.split(" is ")[0]
        assert len(set(re.findall(re.escape(key) + r" is (\d+)\.", made.text))) == 1
    assert len(made.text) <= characters + 120


@given(st.integers(0, 2**31), st.integers(900, 6000))
def test_every_count_that_a_counting_text_gives_is_right(seed: int, characters: int) -> None:
    made = counting(random.Random(seed), PASSAGES, characters)
    words, _, questions = made.text.partition("\n\n")
    asked = re.findall(r"Of (\w+) there are (\d+)\.", questions)
    assert len(asked) == len(made.answers) >= 2
    for (word, count), (first, last) in zip(asked, made.answers, strict=True):
        assert made.text[first:last] == count
        assert words.split().count(word) == int(count)


@given(st.integers(0, 2**31), st.integers(300, 6000))
def test_what_is_copied_stands_at_the_beginning(seed: int, characters: int) -> None:
    made = copying(random.Random(seed), PASSAGES, characters)
    ((start, end),) = made.answers
    assert end == len(made.text)
    assert made.text.startswith(made.text[start:end])
    assert made.text[:start].endswith(SECOND_TIME)


def test_the_gzip_filter_drops_a_fifth_at_either_end() -> None:
    rng = random.Random(0)
    plain = ["the same words over and over, " * 3 + " ".join(rng.choices(PASSAGES, k=20)) for _ in range(6)]
    repeated = ["a" * 2000] * 2
    noise = ["".join(chr(rng.randint(33, 1000)) for _ in range(2000)) for _ in range(2)]
    documents = [repeated[0], *plain[:3], noise[0], *plain[3:], noise[1], repeated[1]]
    assert drop_extremes(documents, lambda text: text) == plain
    assert compressibility(repeated[0]) < compressibility(plain[0]) < compressibility(noise[0])
    assert drop_extremes([], lambda text: text) == []


def test_modules_are_whole_files_one_after_the_other_cut_at_the_length() -> None:
    sources = {f"{name}/{part}.py": f"{name} {part} " * 1000 for name in "abcdefgh" for part in "xy"}
    passages = module_passages({**sources, "small.py": "x = 1"}, 2000)
    assert {len(passage.text) for passage in passages} == {6000}
    assert "small" not in {passage.name for passage in passages}
    assert all(f"# {p.name}/x.py" in p.text and f"# {p.name}/y.py" in p.text for p in passages)


# Measuring


def test_a_model_is_measured_at_halves_of_its_context() -> None:
    assert lengths_up_to(2048) == [128, 256, 512, 1024, 2048]
    assert lengths_up_to(64) == [64]


def test_probes_have_their_length_and_say_where_their_answers_are(home: Path) -> None:
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))
    for kind in ("needle", "count", "copy"):
        probes = make_probes(kind, tokenizer, PASSAGES, 512, 3)
        assert len(probes) == 3
        for probe in probes:
            assert 460 <= len(probe.ids) <= 512
            assert all(0 < start < end <= len(probe.ids) for start, end in probe.answers)
        if kind != "copy":
            said = [tokenizer.decode(probe.ids[s:e]) for probe in probes for s, e in probe.answers]
            assert all(re.fullmatch(r"\s*\d+", text) for text in said)


def test_what_is_read_of_a_model_is_its_argmax_and_its_loss(model: Any) -> None:
    ids = [5, 9, 33, 9, 12, 60]
    right, nll = read(model, ids)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float()
    for place in range(1, len(ids)):
        expected = -torch.log_softmax(logits[place - 1], -1)[ids[place]].item()
        assert nll[place].item() == pytest.approx(expected, abs=0.05)  # bf16, where there is some
    assert not right[0]
    assert len(right) == len(nll) == len(ids)


# The stage


def test_the_result_is_the_mean_of_the_last_checkpoints(home: Path, checkpoint: Path) -> None:
    manifest = read_checkpoint(checkpoint)
    names = ["t-long-context-run1-step20", "t-long-context-run1-step30", "t-long-context-run1"]
    assert [one.name for one in manifest.averaged] == list(manifest.parents) == names
    states = [load_model(home / "checkpoints" / name).state_dict() for name in names]
    for name, weights in load_model(checkpoint).state_dict().items():
        mean = torch.stack([state[name].double() for state in states]).mean(0)
        torch.testing.assert_close(weights.double(), mean, atol=1e-7, rtol=1e-6)
    assert {f"{kind}@256" for kind in ("needle", "count", "copy", "loss")} <= set(manifest.scores)
    assert "loss@256_before" in manifest.metrics


def test_the_manifests_say_which_long_and_short_documents_each_step_read(home: Path) -> None:
    manifest = read_checkpoint(home / "checkpoints" / "t-long-context-run1")
    first, second = manifest.stores
    assert (first.name, first.share, first.place) == ("t-long-context", 0.34, 0)
    assert (second.name, second.share, second.place) == ("t-midtrain", 0.66, 1)
    with (
        TokenStore.open(home / "stores" / "t-long-context") as long_store,
        TokenStore.open(home / "stores" / "t-midtrain") as short_store,
    ):
        order = mixed_order(
            Mixture(long_store, short_store, 0.34), build(LongContextRecipe, manifest.config, "manifest")
        )
        rows = dict.fromkeys((0, 1), 0)
        for step in range(STEPS):
            for piece in order.pieces(step):
                rows[int(piece.document >= long_store.documents)] += piece.column == 0
    assert rows == {0: 27, 1: 53}


def test_the_checkpoint_opens_in_transformers_and_reads_beyond_the_original_context(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["max_position_embeddings"] == EXTENDED
    full = config["rope_parameters"]["full_attention"]
    assert (full["rope_type"], full["factor"]) == ("yarn", EXTENDED / ORIGINAL)
    assert config["rope_parameters"]["sliding_attention"]["rope_type"] == "default"
    ids = torch.randint(4, 512, (1, EXTENDED), generator=torch.Generator().manual_seed(0))
    served = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs, ours = (m(ids).logits.log_softmax(-1) for m in (served, load_model(checkpoint).eval()))
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


@pytest.mark.timeout(300)
def test_a_killed_stage_goes_on_with_the_losses_of_an_uninterrupted_one(home: Path) -> None:
    """Killed with -9 once, it publishes the very same average."""
    (home / "tokenizers" / "k").symlink_to(home / "tokenizers" / "t")
    changes = {"store": "t-long-context", "short_store": "t-midtrain", "save_s": 0.0}
    folder = make_job(
        home,
        "long-context",
        folder="killed",
        name="k",
        parent=home / "checkpoints" / "t-midtrain",
        changes=changes,
    )
    state = folder / "run1" / "state.pt"
    with start(folder) as process:
        wait_for(state.exists, process)
        process.send_signal(signal.SIGKILL)
    assert not events(folder, "done")
    assert run_here(folder) == 0, log_of(folder)
    assert [event for event in events(folder, "log") if "going on after step" in event["text"]]
    assert losses(folder) == losses(home / "jobs" / "long-context")
    ours, theirs = (read_checkpoint(home / "checkpoints" / f"{name}-long-context") for name in ("k", "t"))
    assert ours.digest == theirs.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"average_last": 6}, "average_last is 6 and the stage publishes 4 checkpoints"),
        ({"sequence_length": 64}, "long context needs more"),
        ({"adapter": {"rank": 4}}, "long-context trains all weights"),
        ({"short_store": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_extended_is_refused(home: Path, changes: dict[str, Any], message: str) -> None:
    folder = make_job(
        home,
        "long-context",
        folder=f"refused-{next(iter(changes))}",
        parent=home / "checkpoints" / "t-midtrain",
        changes=changes,
    )
    assert run_here(folder) == 1
    (event,) = events(folder, "failed")
    assert message in event["error"]
    assert event["expected"]

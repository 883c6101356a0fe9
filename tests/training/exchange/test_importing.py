"""Models from elsewhere: what is taken, what is refused and how, and that nothing is left half done."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from django.conf import settings
from django.core.management import CommandError, call_command
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from accounts.audit import Actor
from accounts.models import AuditEntry
from tests.playground.tiny_model import CHATML
from tests.training.elsewhere import TEXT, write_corpus
from tracing.core.errors import StoreError
from tracing.core.text.tokenizer import TextTokenizer
from training.core.checkpoints import read_checkpoint
from training.core.errors import CheckpointError, ImportRefused, TrainingError
from training.core.importing.inspection import inspect_model
from training.core.model import load_model
from training.corpora.services import attach_corpora
from training.exchange.importing import import_model
from training.lineage import Lineage
from training.models import Checkpoint
from training.traces import trace_checkpoint

BY = Actor("test")


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same in several files with an index."""
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="100KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


@pytest.fixture(autouse=True)
def _nothing_left(home: Path, db: None) -> Any:
    """Whatever a test imports is taken away again; what was refused left nothing."""
    yield
    for path in (home / "checkpoints").glob("imported-*"):
        shutil.rmtree(path)
    assert not list((home / "checkpoints").glob(".imported-*"))


def take(folder: Path, **options: Any) -> Checkpoint:
    return import_model(folder=folder, name="imported-one", by=BY, **options)


def log_probabilities(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.arange(5, 105)[None]).logits.log_softmax(-1)


@pytest.mark.parametrize("shape", ["folder", "sharded"])
def test_a_sound_model_becomes_a_checkpoint_with_the_same_log_probabilities(
    shape: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(shape)
    checkpoint = take(folder)
    manifest = read_checkpoint(checkpoint.path)
    assert (manifest.stage, manifest.parents, manifest.chat) == ("imported", (), "chatml")
    assert manifest.tokenizer == TextTokenizer.open(folder).digest
    assert checkpoint.final
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.testing.assert_close(
        log_probabilities(load_model(checkpoint.path)), log_probabilities(theirs), atol=0, rtol=0
    )
    assert (checkpoint.path / "chat_template.jinja").read_text() == CHATML
    assert AuditEntry.objects.filter(action="import a model", label="imported-one").exists()


def test_llama_in_bf16_is_taken_too(folder: Path) -> None:
    config = LlamaConfig(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    checkpoint = take(folder)
    assert load_model(checkpoint.path).config.model_type == "llama"


def test_only_what_a_model_needs_is_copied(folder: Path) -> None:
    for name in ("pytorch_model.bin", "modeling.py", "training_args.bin", "README.md"):
        (folder / name).write_bytes(b"x")
    names = {path.name for path in take(folder).path.iterdir()}
    assert not names & {"pytorch_model.bin", "modeling.py", "training_args.bin", "README.md"}


def test_answers_are_traced_to_the_corpora_attached_then_and_later(home: Path, folder: Path) -> None:
    first, second = (write_corpus(home, folder, name) for name in ("imported-first", "imported-second"))
    checkpoint = take(folder, corpora=[first])
    assert [store.name for store in Lineage.of(checkpoint).stores] == [first]
    attach_corpora(checkpoint=checkpoint, corpora=[second, first], by=BY)
    assert [read.name for read in read_checkpoint(checkpoint.path).stores] == [first, second]
    found = trace_checkpoint(checkpoint, text=TEXT, density=1.0)
    assert max(span["count"] for span in found["spans"]) == 2
    assert {document["corpus"] for document in found["documents"]} == {first, second}
    assert all(document["seen"] is None for document in found["documents"])


def test_a_corpus_of_another_tokenizer_or_of_none_is_refused(
    home: Path, folder: Path, trained_flow: Any
) -> None:
    other = Checkpoint.objects.filter(stage="pretrain").first()
    assert other is not None
    corpus = other.stores.get().name
    with pytest.raises(ImportRefused, match=f"{corpus} holds ids of tokenizer"):
        take(folder, corpora=[corpus])
    with pytest.raises(ImportRefused, match="no corpus 'nowhere'"):
        take(folder, corpora=["nowhere"])
    with pytest.raises(CheckpointError, match="was trained here"):
        attach_corpora(checkpoint=other, corpora=[corpus], by=BY)
    assert not Checkpoint.objects.filter(name="imported-one").exists()


# What is refused

Damage = Callable[[Path], object]


def change(name: str, **fields: Any) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return damage


def truncate(name: str, size: int) -> Damage:
    return lambda folder: os.truncate(folder / name, size)


def remove(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def link_out(name: str) -> Damage:
    def damage(folder: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return damage


def rewrite(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


NORM = "model.norm.weight"
REFUSED: list[tuple[Damage, str]] = [
    (remove("config.json"), "has no file config.json"),
    (remove("tokenizer.json"), "has no file tokenizer.json"),
    (remove("model.safetensors"), r"no \*.safetensors"),
    (pickled, "never opened"),
    (write("config.json", b"{"), "not JSON"),
    (write("config.json", b"[]"), "holds list"),
    (write("config.json", b"[" * 100_000), "not JSON"),
    (write("config.json", b"\xff\xfe"), "not JSON"),
    (write("tokenizer.json", b"{}"), "tokenizer cannot be used"),
    (change("config.json", auto_map={"AutoModelForCausalLM": "modeling.Mine"}), "no code of models is run"),
    (change("tokenizer_config.json", auto_map={"AutoTokenizer": "x.Mine"}), "no code of models is run"),
    (change("config.json", architectures=["MineForCausalLM"]), "what can be imported is"),
    (change("config.json", architectures=[]), "what can be imported is"),
    (change("config.json", model_type="llama"), "what can be imported is"),
    (change("config.json", hidden_size=-3), "config.json describes no model"),
    (change("config.json", hidden_size="wide"), "config.json describes no model"),
    (change("config.json", num_hidden_layers=6, layer_types=["full_attention"] * 6), "the weights lack"),
    (change("config.json", num_hidden_layers=2, layer_types=["full_attention"] * 2), "a model without"),
    (change("config.json", vocab_size=500), "has shape"),
    (change("config.json", quantization_config={"quant_method": "gptq"}), "quantised"),
    (truncate("model.safetensors", 5000), "damaged or cut short"),
    (truncate("model.safetensors", 0), "damaged or cut short"),
    (write("model.safetensors", b"\xff" * 64), "damaged or cut short"),
    (rewrite(lambda t: t.update({NORM: t[NORM].to(torch.int8)})), "as I8"),
    (rewrite(lambda t: t.update({NORM: t[NORM].double()})), "as F64"),
    (rewrite(lambda t: t.pop(NORM)), "lack 1 tensors, model.norm.weight"),
    (rewrite(lambda t: t.update({"evil": t[NORM].clone()})), "a model without evil"),
    (rewrite(lambda t: t.update({NORM: t[NORM][:8].clone()})), "has shape"),
    (link_out("model.safetensors"), "a link out of"),
    (link_out("config.json"), "a link out of"),
    (link_out("tokenizer.json"), "a link out of"),
    (write("adapter_config.json", b"{}"), "holds an adapter"),
]


@pytest.mark.parametrize(("damage", "words"), REFUSED)
def test_what_cannot_be_trusted_or_run_is_refused_with_the_reason(
    folder: Path, damage: Damage, words: str
) -> None:
    damage(folder)
    with pytest.raises(ImportRefused, match=words):
        inspect_model(folder)


INDEX = "model.safetensors.index.json"


def change_map(change: Callable[[dict[str, str]], object]) -> Damage:
    def damage(folder: Path) -> None:
        index = json.loads((folder / INDEX).read_text())
        change(index["weight_map"])
        (folder / INDEX).write_text(json.dumps(index))

    return damage


SHARDED: list[tuple[Damage, str]] = [
    (lambda folder: next(iter(sorted(folder.glob("*.safetensors")))).unlink(), "has no file model-00001"),
    (remove(INDEX), "and no model.safetensors.index.json"),
    (write(INDEX, b"{}"), "no weight_map"),
    (change_map(lambda m: m.update({NORM: "../../etc/passwd"})), "only plain file names"),
    (change_map(lambda m: m.update({NORM: "/etc/passwd.safetensors"})), "only plain file names"),
    (change_map(lambda m: m.update({NORM: 7})), "only plain file names"),
    (change_map(lambda m: m.pop(NORM)), "disagree about model.norm.weight"),
    (change_map(lambda m: m.update({"evil": m[NORM]})), "disagree about evil"),
    (
        lambda folder: shutil.copy(next(folder.glob("*.safetensors")), folder / "z.safetensors"),
        "does not name z",
    ),
]


@pytest.mark.parametrize(("damage", "words"), SHARDED)
def test_an_index_that_does_not_fit_its_files_is_refused(sharded: Path, damage: Damage, words: str) -> None:
    damage(sharded)
    with pytest.raises(ImportRefused, match=words):
        inspect_model(sharded)


@pytest.mark.parametrize("name", ["../up", "Upper", "", "a" * 101, "with space"])
def test_a_name_that_cannot_be_one_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(TrainingError):
        import_model(folder=folder, name=name, by=BY)


def test_a_name_that_is_taken_is_refused_and_what_has_it_is_kept(folder: Path) -> None:
    kept = take(folder).digest
    with pytest.raises(CheckpointError, match="already"):
        take(folder)
    assert read_checkpoint(settings.HOME / "checkpoints" / "imported-one").digest == kept


def test_a_disk_without_room_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ImportRefused, match="1,000 are free"):
        take(folder)
    assert not Checkpoint.objects.filter(name="imported-one").exists()
    assert not (settings.HOME / "checkpoints" / "imported-one").exists()


def test_a_disk_that_refuses_half_way_leaves_nothing(folder: Path) -> None:
    """The file system's own refusal: no file of this process may grow beyond 50,000 bytes."""
    import resource
    import signal

    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="nothing was published"):
            take(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (settings.HOME / "checkpoints" / "imported-one").exists()


def test_the_command_imports_attaches_and_says_what_is_wrong(home: Path, folder: Path, capsys: Any) -> None:
    corpus = write_corpus(home, folder, "imported-first")
    call_command("import_model", str(folder), name="imported-one")
    assert "no corpora to trace to" in capsys.readouterr().out
    call_command("import_model", name="imported-one", corpus=[corpus], attach=True)
    assert corpus in capsys.readouterr().out
    with pytest.raises(CommandError, match="already"):
        call_command("import_model", str(folder), name="imported-one")
    with pytest.raises(CommandError, match="give --attach or --detach"):
        call_command("import_model", name="imported-one")

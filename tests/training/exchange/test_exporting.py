"""Checkpoints that leave: the same log-probabilities elsewhere, a card that says what is known, and GGUF."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from gguf import GGUFReader
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from accounts.audit import Actor
from tests.training.exchange.test_merging import adapter, log_probabilities
from training.core.errors import ExportRefused
from training.core.exporting.gguf_file import write_gguf
from training.core.exporting.gguf_settings import check_settings, tensor_name
from training.core.exporting.pretokenizers import fitting_cut
from training.core.model import load_model
from training.exchange.card import escape, model_card
from training.exchange.exporting import export_model, sample_texts
from training.lineage import lineage_stores
from training.models import Checkpoint, Evaluation

__all__ = ["adapter"]

BY = Actor("test")


def export(checkpoint: Checkpoint, folder: Path, **options: Any) -> Path:
    return export_model(checkpoint=checkpoint, folder=folder, by=BY, **options)


def test_transformers_loads_an_export_with_the_same_log_probabilities(
    instruct: Checkpoint, tmp_path: Path
) -> None:
    folder = export(instruct, tmp_path / "out")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ours = log_probabilities(load_model(instruct.path))
    torch.testing.assert_close(log_probabilities(theirs), ours, atol=0, rtol=0)
    said = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    )
    assert said == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_an_adapter_is_exported_merged(adapter: Checkpoint, tmp_path: Path) -> None:
    folder = export(adapter, tmp_path / "out")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ours = log_probabilities(load_model(adapter.path))
    torch.testing.assert_close(log_probabilities(theirs), ours, atol=1e-5, rtol=1e-5)
    assert not list(folder.glob("adapter_*"))


def test_the_card_tells_stages_data_licences_scores_and_contamination(instruct: Checkpoint) -> None:
    found = {"items": 10, "found": 2, "exact": 2, "partly_listed": False}
    Evaluation.objects.create(checkpoint=instruct, task="sums", digest="d", items=10, seconds=1.0,
                              scores={"greedy": 0.5, "greedy_error": 0.1}, contamination=found)  # fmt: skip
    text = model_card(instruct)
    card = ModelCard(text)
    assert card.data.library_name == "transformers"
    assert card.data.license
    for parent in instruct.parents.all():
        assert f"| {parent.name} |" in text
    for store in lineage_stores(instruct):
        assert store.digest in text
        assert escape(store.licence) in text
    assert "0.500 ± 0.100" in text
    assert "2 of 10 (20 %) occur word for word" in text
    assert instruct.digest in text


def test_what_a_corpus_says_of_itself_stays_text_in_the_card(instruct: Checkpoint) -> None:
    store = lineage_stores(instruct)[0]
    store.source = "x | y\n<script>alert(1)</script> [a](javascript:b)"
    store.save()
    assert r"x \| y \<script\>alert(1)\</script\> \[a\](javascript:b)" in model_card(instruct)


def test_a_directory_that_is_there_is_left_alone(instruct: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ExportRefused, match="is there already"):
        export(instruct, tmp_path)
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_model", instruct.name, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# GGUF


def value(reader: GGUFReader, name: str) -> Any:
    field = reader.get_field(name)
    return None if field is None else field.contents()


@pytest.mark.parametrize(("precision", "error"), [("f32", 0.0), ("f16", 1e-3)])
def test_a_gguf_file_holds_every_tensor_under_the_name_that_llama_cpp_has_for_it(
    instruct: Checkpoint, tmp_path: Path, precision: str, error: float
) -> None:
    folder = export(instruct, tmp_path / "out", gguf=precision)
    reader = GGUFReader(folder / f"{instruct.name}-{precision}.gguf")
    written = {tensor.name: tensor for tensor in reader.tensors}
    weights = load_file(instruct.path / "model.safetensors")
    layers = value(reader, "olmo2.block_count")
    assert len(written) == len(weights)
    for name, weight in weights.items():
        tensor = written[tensor_name(name, layers)]
        assert list(tensor.shape) == list(reversed(weight.shape)), name
        np.testing.assert_allclose(tensor.data, weight.numpy(), rtol=error, atol=error * 1e-2)
        assert tensor.data.dtype == (np.float16 if precision == "f16" and weight.ndim > 1 else np.float32)
    assert {"token_embd.weight", "output.weight", "output_norm.weight"} <= written.keys()
    parts = ("attn_q", "attn_q_norm", "post_attention_norm", "ffn_gate", "post_ffw_norm")
    assert {f"blk.0.{part}.weight" for part in parts} <= written.keys()


def test_a_gguf_file_tells_the_settings_and_the_tokenizer(instruct: Checkpoint, tmp_path: Path) -> None:
    folder = export(instruct, tmp_path / "out", gguf="f32")
    reader = GGUFReader(folder / f"{instruct.name}-f32.gguf")
    config = json.loads((instruct.path / "config.json").read_text())
    expected = {
        "general.architecture": "olmo2",
        "olmo2.context_length": config["max_position_embeddings"],
        "olmo2.embedding_length": config["hidden_size"],
        "olmo2.attention.head_count": config["num_attention_heads"],
        "olmo2.attention.head_count_kv": config["num_key_value_heads"],
        "olmo2.attention.sliding_window": config["sliding_window"],
        "olmo2.attention.sliding_window_pattern": [True, True, True, False],
        "olmo2.rope.freq_base": 500_000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": (instruct.path / "chat_template.jinja").read_text(),
    }
    assert {name: value(reader, name) for name in expected} == expected
    tokenizer = Tokenizer.from_file(str(instruct.path / "tokenizer.json"))
    tokens, kinds = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.token_type")
    assert len(tokens) == len(kinds) == config["vocab_size"]
    assert all(tokens[number] == token for token, number in tokenizer.get_vocab().items())
    assert kinds[tokenizer.token_to_id("<|im_end|>")] == 3
    assert kinds[tokenizer.token_to_id("<think>")] == 4
    assert value(reader, "tokenizer.ggml.eos_token_id") == tokenizer.token_to_id("<|im_end|>")


def test_llama_cpp_s_way_of_cutting_gives_the_ids_of_the_data(instruct: Checkpoint) -> None:
    tokenizer = Tokenizer.from_file(str(instruct.path / "tokenizer.json"))
    cut = fitting_cut(tokenizer, sample_texts(instruct))
    assert cut.name == "qwen2"
    assert cut.tried > 100
    assert cut.alike >= 0.99 * cut.tried


def test_a_tokenizer_that_llama_cpp_cannot_follow_is_refused(instruct: Checkpoint) -> None:
    from tokenizers import Regex, pre_tokenizers

    tokenizer = Tokenizer.from_file(str(instruct.path / "tokenizer.json"))
    letters = pre_tokenizers.Split(Regex(r"\p{L}"), "isolated")  # every letter alone: nothing does that
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [letters, pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    with pytest.raises(ExportRefused, match="Export without --gguf"):
        fitting_cut(tokenizer, sample_texts(instruct))


PLAIN = {"rope_type": "default", "rope_theta": 5e5}
YARN = {"rope_type": "yarn", "rope_theta": 5e5, "factor": 8.0, "original_max_position_embeddings": 64}
ODD = YARN | {"attention_factor": 2.0}


def rope(full: dict[str, Any], sliding: dict[str, Any] = PLAIN) -> dict[str, Any]:
    return {"rope_parameters": {"full_attention": full, "sliding_attention": sliding}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "llama"}, "convert_hf_to_gguf"),
        ({"attention_bias": True}, "no attention biases"),
        ({"hidden_act": "gelu"}, "SiLU"),
        ({"layer_types": ["full_attention"] * 4}, "every fourth layer"),
        (rope(ODD), "attention_factor is 2.0"),
        (rope(YARN | {"beta_slow": 2.0}), "beta_slow is 2.0"),
        (rope(YARN, YARN), "YaRN alone"),
        (rope(YARN | {"rope_type": "linear"}), "YaRN alone"),
        (rope(YARN | {"rope_theta": 1e4}), "rope_theta"),
    ],
)
def test_what_llama_cpp_would_run_as_something_else_is_refused(
    instruct: Checkpoint, changes: dict[str, Any], words: str
) -> None:
    config = json.loads((instruct.path / "config.json").read_text())
    check_settings(config)
    with pytest.raises(ExportRefused, match=words):
        check_settings(config | changes)


def test_yarn_is_written_without_the_factor_that_llama_cpp_applies_by_itself(
    instruct: Checkpoint, tmp_path: Path
) -> None:
    folder = export(instruct, tmp_path / "out")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | rope(YARN)))
    write_gguf(folder, tmp_path / "yarn.gguf", name="yarn", texts=[], precision="f32")
    reader = GGUFReader(tmp_path / "yarn.gguf")
    assert value(reader, "olmo2.rope.scaling.type") == "yarn"
    assert value(reader, "olmo2.rope.scaling.factor") == 8.0
    assert value(reader, "olmo2.rope.scaling.original_context_length") == 64
    assert value(reader, "olmo2.rope.scaling.attn_factor") is None


def test_a_refused_gguf_leaves_no_directory(instruct: Checkpoint, tmp_path: Path) -> None:
    from training.core.exporting.hugging_face import write_hugging_face

    def refuse(folder: Path) -> None:
        raise ExportRefused("no")

    with pytest.raises(ExportRefused):
        write_hugging_face(instruct.path, tmp_path / "out", "", refuse)
    assert not list(tmp_path.iterdir())


def test_the_command_says_where_it_wrote(instruct: Checkpoint, tmp_path: Path, capsys: Any) -> None:
    call_command("export_model", instruct.name, str(tmp_path / "out"), gguf="f16")
    assert str(tmp_path / "out") in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("*-f16.gguf"))) == 1

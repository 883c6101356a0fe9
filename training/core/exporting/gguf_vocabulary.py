"""A byte-level BPE tokenizer as a GGUF file holds it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from tokenizers import Tokenizer

from training.core.errors import ExportRefused
from training.core.exporting.pretokenizers import Cut, fitting_cut


@dataclass(frozen=True)
class Vocabulary:
    """Every id of the model: the tokenizer's tokens, then fillers up to the size of the embedding."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    cut: Cut
    special: dict[str, int]
    """Ids of the beginning, end and padding tokens, as far as there are such."""
    template: str


def read_vocabulary(folder: Path, size: int, texts: Sequence[str]) -> Vocabulary:
    """The tokenizer of the directory; `texts` are what llama.cpp's way of cutting is tried on.

    Raises ExportRefused for one that is no byte-level BPE, or that llama.cpp would cut otherwise.
    """
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    model = content["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback") or content.get("normalizer"):
        raise ExportRefused("only byte-level BPE tokenizers without a normaliser are written to GGUF files")
    added = {entry["id"]: entry for entry in content.get("added_tokens", ())}
    names = {number: token for token, number in model["vocab"].items()}
    names |= {number: entry["content"] for number, entry in added.items()}
    tokens = [names.get(number, f"[PAD{number}]") for number in range(size)]
    kinds = [int(kind_of(number, names, added)) for number in range(size)]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    template = folder / "chat_template.jinja"
    return Vocabulary(
        tokens, kinds, merges, fitting_cut(tokenizer, texts), special_ids(folder, tokenizer),
        template.read_text() if template.is_file() else "",
    )  # fmt: skip


def kind_of(number: int, names: dict[int, str], added: dict[int, dict[str, Any]]) -> gguf.TokenType:
    if number not in names:
        return gguf.TokenType.UNUSED
    if number not in added:
        return gguf.TokenType.NORMAL
    return gguf.TokenType.CONTROL if added[number].get("special") else gguf.TokenType.USER_DEFINED


def special_ids(folder: Path, tokenizer: Tokenizer) -> dict[str, int]:
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    found = {}
    for name in ("bos", "eos", "pad"):
        token = settings.get(f"{name}_token")
        number = tokenizer.token_to_id(token["content"] if isinstance(token, dict) else token or "")
        if number is not None:
            found[name] = int(number)
    return found


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.cut.name)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    for name, number in vocabulary.special.items():
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(False)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)

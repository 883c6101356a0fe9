"""Stores of prompts as uploads become them: what is asked, and beside it how answers are verified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer


def tokenizer_of(home: Path) -> Tokenizer:
    return Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))


def write_prompts(home: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A store of `rows`, each with `question`, `verifier` and `reference`."""
    folder, tokenizer = home / "stores" / name, tokenizer_of(home)
    digest = TextTokenizer.open(home / "tokenizers" / "t").digest
    told = {"name": name, "tokenizer": digest, "dtype": "u16", "stage": "rl-zero"}
    with StoreWriter(folder, **told, source="a test", licence="CC0-1.0") as writer:
        for number, row in enumerate(rows):
            ids = tokenizer.encode(f"{row['question']}\n\n", add_special_tokens=False).ids
            writer.add(ids, {"id": str(number), "row": number + 1, "title": f"row {number + 1}", **row})
        writer.publish()
    return folder


def short_answers(number: int) -> list[dict[str, Any]]:
    """Prompts whose answers are rewarded where they are short: what a model that knows nothing does now and
    then."""
    rule = {"verifier": "constraints", "reference": [{"kind": "characters", "at_most": 12}]}
    return [{"question": f"Say {place}.", **rule} for place in range(number)]


def ids_in(store: TokenStore, document: int) -> list[int]:
    ids: list[int] = store.token_ids(document).tolist()
    return ids

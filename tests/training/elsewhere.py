"""Corpora of models from elsewhere."""

import shutil
from pathlib import Path

from tracing.core.building.writer import StoreWriter
from tracing.core.text.tokenizer import TextTokenizer
from tracing.services import register_store

TEXT = "Wrap a single paragraph of text, returning a list of wrapped lines."


def write_corpus(home: Path, tokenizer: Path, name: str) -> str:
    """A registered store of one text in the tokenizer of that directory."""
    reader = TextTokenizer.open(tokenizer)
    path = home / "stores" / name
    shutil.rmtree(path, ignore_errors=True)
    described = {"dtype": "u16", "stage": "pretrain", "source": "test", "licence": "CC0-1.0"}
    with StoreWriter(path, name=name, tokenizer=reader.digest, **described) as writer:
        writer.add(reader.encode(TEXT)[0], {"id": "one", "title": "wrap"})
        writer.publish()
    register_store(path)
    return name

"""Options that say of a directory of tokens what its files do not."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tracing.services import open_tokenizer

DIGEST = re.compile("sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class GivenTokenizer:
    """A tokenizer named by its directory, or by its digest alone; `vocabulary` is known of the former."""

    digest: str
    vocabulary: int | None


def add_description(parser: CommandParser) -> None:
    """The options of a store's description."""
    parser.add_argument("--tokenizer", help="directory with the tokenizer.json of the ids, or its digest")
    parser.add_argument("--stage", help="what it is for: pretrain, midtrain, ...")
    parser.add_argument("--licence", help="the documents' licence, shown beside each")
    parser.add_argument("--source", help="where the documents are from")
    parser.add_argument("--dtype", choices=["u8", "u16", "u32"], help="type of the ids, if it is in doubt")


def given_description(options: dict[str, Any]) -> dict[str, str]:
    """The options that were given; the tokenizer by its digest."""
    names = ("stage", "licence", "source", "dtype")
    given = {name: options[name] for name in names if options[name] is not None}
    tokenizer = given_tokenizer(options["tokenizer"])
    return given | ({"tokenizer": tokenizer.digest} if tokenizer else {})


def given_tokenizer(value: str | None) -> GivenTokenizer | None:
    """The tokenizer in a directory, or with a digest. Raises StoreError where there is none."""
    if value is None:
        return None
    if DIGEST.fullmatch(value):
        return GivenTokenizer(value, None)
    tokenizer = open_tokenizer(Path(value))
    return GivenTokenizer(tokenizer.digest, tokenizer.vocab_size)


def require(given: dict[str, str], names: tuple[str, ...], why: str) -> None:
    """CommandError unless all of `names` were given."""
    missing = [f"--{name}" for name in names if name not in given]
    if missing:
        raise CommandError(f"{why}: give {', '.join(missing)}.")

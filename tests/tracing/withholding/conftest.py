"""A registered store of texts, with the tokenizer that its pages need, and people."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from django.conf import settings

from accounts.audit import Actor
from accounts.models import User
from tests.tracing.support.stores import text_tokenizer, tokenizer_json
from tracing.core.building.writer import StoreWriter
from tracing.models import Store
from tracing.services import register_store

SENTENCE = "Join two or more pathname components."
TEXTS = [f"{SENTENCE} Number {number} of the corpus." for number in range(20)]
BY = Actor("tests")

Publish = Callable[..., Store]


def text_of(store: Store, number: int) -> str:
    return TEXTS[number]


@pytest.fixture
def publish(request: pytest.FixtureRequest) -> Iterator[Publish]:
    """Publishes texts as a registered store; all of them are removed at the end."""
    home = settings.HOME / "tokenizers" / "withholding"
    home.mkdir(parents=True, exist_ok=True)
    (home / "tokenizer.json").write_text(tokenizer_json())
    made = []

    def make(
        texts: Sequence[str] = TEXTS, metadata: Sequence[Mapping[str, Any]] = (), name: str = "texts"
    ) -> Store:
        path = settings.HOME / "stores" / name
        shutil.rmtree(path, ignore_errors=True)
        made.append(path)
        described = {"tokenizer": text_tokenizer().digest, "stage": "pretrain", "licence": "CC0"}
        with StoreWriter(path, name=name, dtype="u16", source="tests", **described) as writer:
            for number, text in enumerate(texts):
                own = {"id": f"doc-{number}", "source": f"part.py:{number}", "title": f"Title {number}"}
                extra = metadata[number] if metadata else {}
                writer.add(text_tokenizer().encode(text)[0], {**own, **extra})
            writer.publish()
        return register_store(path)

    yield make
    for path in [*made, home]:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def store(db: None, publish: Publish) -> Store:
    return publish()


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("grace", password="a long password")

"""What an index node does with a question: open the store, search it, answer."""

import logging
from pathlib import Path
from typing import Any

from tracing.cache import Cache
from tracing.core.errors import StoreMismatch, StoreMissing, TracingError
from tracing.core.nodes import wire
from tracing.core.nodes.answers import Question, Reply
from tracing.core.nodes.questions import answer
from tracing.core.stores.manifest import read_manifest
from tracing.core.stores.store import TokenStore
from tracing.nodes.announcing import held_here
from tracing.nodes.asking import reply

logger = logging.getLogger(__name__)
_stores: Cache[tuple[Path, str], TokenStore] = Cache(size=256)


def answer_question(key: str, text: str) -> None:
    """Answer a question, whatever happens: with a reason where there is nothing else to say."""
    try:
        said = Reply(answered(Question(**wire.decode(text))))
    except TracingError as error:
        said = Reply(None, str(error))
    except Exception:
        logger.exception("A question could not be answered")
        said = Reply(None, "its node failed; the log of the node has the details.")
    reply(key, said)


def answered(question: Question) -> Any:
    """The answer of the store on this machine. Raises StoreError, InputError."""
    return answer(open_store(question.store, question.digest), question.operation, question.arguments)


def open_store(name: str, digest: str) -> TokenStore:
    """The store of this name, if it is the build that was asked for. Raises StoreError."""
    path = held_here().get(name)
    if path is None:
        raise StoreMissing(f"No store {name} is on its node any more.")
    found = read_manifest(path).digest
    if found != digest:
        raise StoreMismatch(f"Its node holds another build of {name}: run `manage.py register_nodes`.")
    return _stores.get((path, digest), lambda: TokenStore.open(path), is_good=TokenStore.is_usable)

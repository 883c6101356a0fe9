"""Stores asked as index nodes are, over the wire's text, without the wire."""

from collections.abc import Mapping, Sequence

from tracing.core.bytes.twin import FOLDER, ByteTwin
from tracing.core.errors import TracingError
from tracing.core.nodes import wire
from tracing.core.nodes.answers import Ask, Question, Reply
from tracing.core.nodes.node_store import NodeStore
from tracing.core.nodes.questions import answer
from tracing.core.stores.store import TokenStore


def asked_of(stores: Mapping[str, TokenStore], refused: Mapping[str, str] | None = None) -> Ask:
    """Puts questions to these stores, by the names that their node gives them. Operations that are `refused`
    have no answer but this reason."""

    def ask(questions: Sequence[Question], deadline: float) -> list[Reply]:
        return [reply(Question(**wire.decode(wire.encode(question._asdict())))) for question in questions]

    def reply(question: Question) -> Reply:
        if reason := (refused or {}).get(question.operation):
            return Reply(None, reason)
        try:
            value = answer(stores[question.store], question.operation, question.arguments)
        except TracingError as error:
            return Reply(None, str(error))
        return Reply(wire.decode(wire.encode(value)))

    return ask


def on_a_node(store: TokenStore, refused: Mapping[str, str] | None = None) -> NodeStore:
    """The store as it is known when it lies on a node."""
    name = store.manifest.name
    return NodeStore(name, store.manifest, asked_of({name: store}, refused))


def twins_on_a_node(
    twins: Sequence[ByteTwin], refused: Mapping[str, str] | None = None, *, indexes_too: bool = True
) -> list[ByteTwin]:
    """Stores and their byte indexes as they are known when they lie on a node, the indexes here if told."""
    named = {twin.store.manifest.name: twin.store for twin in twins}
    held = {f"{FOLDER}/{twin.twin.path.name}": twin.twin for twin in twins}
    ask, ask_bytes = asked_of({**named, **held}), asked_of(held, refused)
    return [
        ByteTwin(
            NodeStore(twin.store.manifest.name, twin.store.manifest, ask),
            NodeStore(name, twin.twin.manifest, ask_bytes) if indexes_too else twin.twin,
        )
        for twin, name in zip(twins, held, strict=True)
    ]

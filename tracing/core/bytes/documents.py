"""Whole documents behind matches in byte twins, from the stores that the twins belong to."""

from collections.abc import Iterable

from tracing.core.cancelling import watched
from tracing.core.matching.corpus import Corpus, Document
from tracing.core.nodes.node_store import NodeEngine, NodeStore, Reader

Documents = dict[tuple[Reader, int], Document]


def whole_documents(corpus: Corpus, wanted: Iterable[tuple[Reader, int]]) -> Documents:
    """Where these documents of stores of the corpus are searched, with all of their ids: each read once, and
    those on nodes asked for in one round."""
    found: Documents = {}
    far: dict[NodeStore, list[int]] = {}
    for store, number in watched(dict.fromkeys(wanted)):
        if isinstance(store, NodeStore):
            far.setdefault(store, []).append(number)
        else:
            found[store, number] = corpus.document_of(store, number)
    return found | (_asked(corpus, far) if far else {})


def _asked(corpus: Corpus, wanted: dict[NodeStore, list[int]]) -> Documents:
    answers = NodeEngine(list(wanted)).wholes(list(wanted.values()))
    return {
        (store, number): Document(corpus.first_row(store) + shard, number, start, stop, token_ids)
        for (store, numbers), wholes in zip(wanted.items(), answers, strict=True)
        for number, (shard, start, stop, token_ids) in zip(numbers, wholes, strict=True)
    }

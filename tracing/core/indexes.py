"""The indexes behind one model: those that can be searched, as a corpus, and those that cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from tracing.core.engines.engine import Searched
from tracing.core.errors import InputError, StoreMismatch, StoreMissing
from tracing.core.matching.corpus import Corpus, EngineStore
from tracing.core.nodes.node_store import NodeStore
from tracing.core.stores.pack import Pack
from tracing.core.stores.store import TokenStore

CORPORA_MAX: Final = 32
Stages = tuple[str, ...] | None


@dataclass(frozen=True)
class Index:
    """A store as an answer names it; `reason` says why it did not answer, empty if it did."""

    name: str
    stage: str
    digest: str
    tokens: int
    documents: int
    reason: str = ""

    @classmethod
    def of(cls, store: Searched, reason: str = "") -> Self:
        manifest = store.manifest
        sizes = (manifest.tokens, manifest.documents)
        return cls(manifest.name, manifest.stage, manifest.digest, *sizes, reason)

    def to_json(self) -> dict[str, Any]:
        fields = {name: value for name, value in self.__dict__.items() if name != "reason"}
        return {**fields, "answered": not self.reason, **({"reason": self.reason} if self.reason else {})}


class Indexes:
    """The stores of one model in order, among them plain `Index`es for those that cannot be searched now.

    Each of `packs` is searched in place of the stores that it stands for. InputError if there are none,
    StoreMismatch for a store of another tokenizer.
    """

    def __init__(
        self, stores: Sequence[TokenStore | EngineStore | Index], tokenizer: str, packs: Sequence[Pack]
    ) -> None:
        if not stores:
            raise InputError("No store to search: name at least one.")
        self._all, self._packs = tuple(stores), tuple(packs)
        self.stores = tuple(store for store in stores if not isinstance(store, Index))
        for store in self.stores:
            if store.manifest.tokenizer != tokenizer:
                raise StoreMismatch(
                    f"{store.manifest.name} was written with tokenizer {store.manifest.tokenizer}, "
                    f"the model has {tokenizer}: build the store with the model's tokenizer."
                )
        self.elsewhere = frozenset(s.manifest.digest for s in self.stores if isinstance(s, NodeStore))
        self._corpora: dict[tuple[Stages, frozenset[str]], Corpus] = {}

    def listed(self, stages: Stages, reasons: Mapping[str, str]) -> tuple[Index, ...]:
        """All indexes of these stages, or of all, with the `reasons` of those that did not answer, by digest.

        InputError if the model has no such stage.
        """
        listed = [
            store if isinstance(store, Index) else Index.of(store, reasons.get(store.manifest.digest, ""))
            for store in self._all
        ]
        found = tuple(index for index in listed if stages is None or index.stage in stages)
        if not found:
            known = sorted({index.stage for index in listed})
            raise InputError(f"No store of stages {list(stages or ())}: this model has {known}.")
        return found

    def corpus(self, stages: Stages, reasons: Mapping[str, str]) -> Corpus:
        """The stores of these stages, or of all, as one, without those that did not answer, by digest.

        InputError if the model has no such stage, StoreMissing with the reasons if none of them answered.
        """
        key = (stages, frozenset(reasons))
        if key not in self._corpora:
            made = self._make_corpus(self.listed(stages, reasons))
            if len(self._corpora) >= CORPORA_MAX:
                self._corpora.clear()
            self._corpora[key] = made
        return self._corpora[key]

    def _make_corpus(self, indexes: Sequence[Index]) -> Corpus:
        answered = {index.digest for index in indexes if not index.reason}
        chosen = [store for store in self.stores if store.manifest.digest in answered]
        if not chosen:
            said = "; ".join(f"{index.name}: {index.reason}" for index in indexes)
            raise StoreMissing(f"None of the model's {len(indexes)} indexes answered. {said}")
        stages = {index.stage for index in indexes}
        return Corpus(chosen, [pack for pack in self._packs if pack.store.manifest.stage in stages])


def unanswered_words(indexes: Sequence[Mapping[str, Any]]) -> str:
    """`2 of 3 indexes answered. far: its node did not answer within 5.0 s.`, of an answer's `indexes`; empty
    where all of them answered."""
    missing = [index for index in indexes if not index.get("answered", True)]
    if not missing:
        return ""
    said = " ".join(f"{index['name']}: {index.get('reason', 'it did not answer.')}" for index in missing)
    return f"{len(indexes) - len(missing)} of {len(indexes)} indexes answered. {said}"

"""Prompts of a token store, each with the verifier that its metadata names.

A document's ids are what the model is asked, as they stand. Its metadata has `verifier` and `reference`,
spelt as the items of evaluations spell them (`training.core.evaluation.items`), and `question`: the prompt as
people and a judge read it.
"""

import random
import threading
from collections.abc import Callable, Iterable
from typing import Any

from tracing.core.stores.store import TokenStore
from training.core.errors import TrainingError
from training.core.rl.tasks import Asked
from training.core.subset import split
from training.core.verifiers.verdict import VerifierError
from training.core.verifiers.verifiers import Verifiers

PASSED_ON = ("title", "licence", "row", "dataset", "verifier")
"""Of a prompt's metadata, what the documents of its rollouts say too."""


class Prompts:
    """The prompts of a store that leave room for an answer in a context of `context` tokens, but for
    `held_out` of them.

    `warn` is told once of each protection that this machine cannot give while answers are checked. Raises
    TrainingError where a prompt cannot be rewarded or none is usable; references are checked as they are
    read."""

    def __init__(
        self,
        store: TokenStore,
        verifiers: Verifiers,
        *,
        context: int,
        warn: Callable[[str], None],
        held_out: int = 0,
    ) -> None:
        self._store, self._verifiers, self._warn = store, verifiers, warn
        self._warned, self._lock = set[str](), threading.Lock()
        lengths = store.document_lengths().tolist()
        room = [number for number, length in enumerate(lengths) if 0 < length < context]
        if len(room) < len(lengths):
            warn(f"{store.path.name}: {len(lengths) - len(room)} prompts leave no room for an answer")
        held = set(split(len(lengths), held_out, pairs=False)[1].tolist())
        self._held_out = [document for document in room if document in held]
        self._left = [document for document in room if document not in held]
        self._check()

    @property
    def name(self) -> str:
        return self._store.path.name

    def __len__(self) -> int:
        return len(self._left)

    def all(self) -> list[Asked]:
        """Every prompt that is left."""
        return [self.at(document) for document in self._left]

    def held_out(self) -> list[Asked]:
        """Those that are never drawn, to measure the model on."""
        return [self.at(document) for document in self._held_out]

    def draw(self, rng: random.Random) -> Asked:
        return self.at(rng.choice(self._left))

    def leave_out(self, keys: Iterable[str]) -> None:
        """Prompts that are not to be drawn. Raises TrainingError where none would be left."""
        gone = set(keys)
        self._left = [document for document in self._left if self._key(document) not in gone]
        self._check()

    def at(self, document: int) -> Asked:
        """The prompt of one document. Raises TrainingError where it cannot be rewarded."""
        metadata = self._store.metadata(document)
        source: dict[str, Any] = {name: metadata[name] for name in PASSED_ON if name in metadata}
        source["prompt"] = {"store": self.name, "document": document}
        try:
            verifier = self._verifiers.find(metadata["verifier"])
            verifier.check_reference(metadata["reference"])
        except KeyError as error:
            raise TrainingError(
                f"document {document} of {self.name} has no {error} in its metadata: it is no prompt data "
                "set, or one made for something else"
            ) from error
        except VerifierError as error:
            raise TrainingError(f"document {document} of {self.name} cannot be rewarded: {error}") from error

        def reward(text: str) -> float:
            verdict = verifier.verify(text, metadata["reference"], str(metadata.get("question", "")))
            self._tell_of(verdict.missing)
            return verdict.reward

        ids = tuple(self._store.token_ids(document).tolist())
        return Asked(self._key(document), ids, reward, source)

    def _key(self, document: int) -> str:
        return f"{self.name}/{document}"

    def _check(self) -> None:
        if not self._left:
            raise TrainingError(f"{self.name} has no prompt left to ask: give another data set")
        self.at(self._left[0])

    def _tell_of(self, missing: dict[str, str]) -> None:
        """Prompts are verified side by side: each protection is told of by the first that misses it."""
        with self._lock:
            new = missing.keys() - self._warned
            self._warned |= new
        for protection in sorted(new):
            self._warn(f"code is run without one protection: {protection} ({missing[protection]})")

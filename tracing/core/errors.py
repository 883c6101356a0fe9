"""The one exception family of tracing. Every message says what, which value, and what to do next."""

from collections.abc import Mapping


class TracingError(Exception):
    """Base of every error that tracing raises on purpose."""


class StoreError(TracingError):
    """A token store cannot be read or written."""


class StoreMissing(StoreError):
    """The store, or one of its files, is not there."""


class StoreDamaged(StoreError):
    """A file of the store is not what its manifest says: short, altered, swapped or inconsistent."""


class StoreMismatch(StoreError):
    """A sound store that does not fit its use: another tokenizer or another token type."""


class StoreExists(StoreError):
    """Something is already published at this path; stores are never rewritten."""


class InputError(TracingError):
    """The caller's token ids, text or options are not usable."""


class SearchUnavailable(TracingError):
    """The search index cannot be reached, read or written."""


class Cancelled(TracingError):
    """The caller asked to stop."""


class EngineFailed(TracingError):
    """The engine that searches a store crashed, did not answer or is not installed."""


class Unanswered(TracingError):
    """Indexes on other machines did not answer; `reasons` says why, by digest."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in self.reasons.items()))

"""A circuit breaker: an engine that keeps failing is left alone for a while, then tried by one request."""

from collections.abc import Hashable
from dataclasses import dataclass

FAILURES = 3
"""So many failures in a row open the breaker."""
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0
PROBE_S = 5.0
"""A request that tries the engine has so long to tell how it went; then another may try."""


@dataclass
class _Record:
    failures: int = 0
    rests_until: float = 0.0


class Breaker:
    """Follows engines by a key that is another one for each start. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._records: dict[Hashable, _Record] = {}

    def rests_s(self, key: Hashable, now: float) -> float:
        """How long nobody is to ask it yet; 0 where somebody may."""
        record = self._records.get(key)
        return max(0.0, record.rests_until - now) if record else 0.0

    def begin(self, key: Hashable, now: float) -> None:
        """A request goes to it. After a rest, this one alone, until it has told how it went."""
        record = self._records.get(key)
        if record and record.failures >= FAILURES:
            record.rests_until = now + PROBE_S

    def succeeded(self, key: Hashable) -> None:
        self._records.pop(key, None)

    def failed(self, key: Hashable, now: float) -> None:
        """Opens at the third failure in a row; the rest doubles with each that follows."""
        record = self._records.setdefault(key, _Record())
        record.failures += 1
        over = record.failures - FAILURES
        if over >= 0:
            record.rests_until = now + min(FIRST_REST_S * 2.0 ** min(over, 16), LONGEST_REST_S)

    def keep_only(self, keys: set[Hashable]) -> None:
        """Forget engines that are no more."""
        self._records = {key: record for key, record in self._records.items() if key in keys}

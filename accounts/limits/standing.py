"""What is left of a limit, and when there will be more: sums over the windows of the sliding counters."""

import math
from dataclasses import dataclass

from accounts.limits.rules import Rule, units_of

MS = 1000


@dataclass(frozen=True)
class Standing:
    """A rule's two windows as they are now: units counted, and milliseconds until each is forgotten."""

    rule: Rule
    previous: int
    previous_ttl_ms: int
    current: int
    current_ttl_ms: int

    @property
    def used_units(self) -> int:
        """In the period up to now: of the previous window the share that it still covers."""
        return math.floor(self.previous * self.previous_ttl_ms / self._window_ms) + self.current

    @property
    def left_units(self) -> int:
        return max(0, self.rule.units - self.used_units)

    @property
    def used(self) -> int:
        """In the rule's own unit, rounded up."""
        return math.ceil(self.used_units / units_of(self.rule.resource))

    @property
    def left(self) -> int:
        """In the rule's own unit, rounded down."""
        return self.left_units // units_of(self.rule.resource)

    @property
    def share_used(self) -> float:
        """0 to 1; 1 of a limit that allows nothing."""
        return min(1.0, self.used_units / self.rule.units) if self.rule.units else 1.0

    def free_in_s(self, units: int) -> float:
        """Seconds until `units` are left, if nothing else is used; the whole period if that never comes."""
        return self._free_in_ms(units) / MS

    @property
    def whole_in_s(self) -> float:
        """Seconds until everything that counts now is forgotten."""
        return (self.current_ttl_ms if self.current else self.previous_ttl_ms) / MS

    @property
    def _window_ms(self) -> int:
        return self.rule.window_s * MS

    def _free_in_ms(self, units: int) -> float:
        if units <= self.left_units:
            return 0.0
        room = self.rule.units - units
        if room < 0:
            return float(self._window_ms)
        if room >= self.current and self.previous:  # enough of the previous window has to slide out of sight
            return self.previous_ttl_ms - (room - self.current) * self._window_ms / self.previous
        # The current window has to become the previous one first.
        shift_ms = max(0, self.current_ttl_ms - self._window_ms)
        share = room / self.current if self.current else 1.0
        return shift_ms + max(0.0, self._window_ms * (1 - share))

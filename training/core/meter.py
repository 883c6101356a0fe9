"""Loss, gradient norm and speed of the steps since the last line of metrics."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from training.core.gauge import Gauge


class Meter:
    """Fed once a step; `line` gives the means since the line before."""

    def __init__(self, step_tokens: int, gauge: Gauge | None = None) -> None:
        self.step_tokens, self._gauge = step_tokens, gauge
        self.last_loss = self.last_norm = self.rate = 0.0
        self._losses: list[float] = []
        self._others: list[Mapping[str, float]] = []
        self._norms: list[float] = []
        self._line_at = self._step_at = time.monotonic()
        self._step_s: float | None = None
        self._mean_loss = 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done inside is not training, and does not count as time spent on it."""
        started = time.monotonic()
        yield
        took_s = time.monotonic() - started
        self._line_at += took_s
        self._step_at += took_s

    def add(self, loss: float, norm: float, rate: float, others: Mapping[str, float]) -> None:
        self.last_loss, self.last_norm, self.rate = loss, norm, rate
        self._losses.append(loss)
        self._norms.append(norm)
        self._others.append(others)
        now = time.monotonic()
        took_s, self._step_at = now - self._step_at, now
        self._step_s = took_s if self._step_s is None else 0.95 * self._step_s + 0.05 * took_s

    @property
    def has_steps(self) -> bool:
        """Whether there were steps since the last line."""
        return bool(self._losses)

    def seconds(self, steps: int) -> float | None:
        """How long so many steps will take, by the latest ones."""
        return None if self._step_s is None else steps * self._step_s

    def line(self) -> dict[str, float]:
        """Means over the steps since the last line; the learning rate is the latest step's."""
        now = time.monotonic()
        took_s = max(1e-9, now - self._line_at)
        speed = len(self._losses) * self.step_tokens / took_s
        self._mean_loss = sum(self._losses) / len(self._losses)
        line = {
            "loss": self._mean_loss,
            "learning_rate": self.rate,
            "tokens_per_s": round(speed, 1),
            "step_s": round(took_s / len(self._losses), 4),
            "gradient_norm": sum(self._norms) / len(self._norms),
        }
        line |= self._gauge.line(speed) if self._gauge else {}
        for name in self._others[-1]:
            line[name] = sum(others[name] for others in self._others) / len(self._others)
        self._losses, self._norms, self._others, self._line_at = [], [], [], now
        return line

    def state(self) -> dict[str, Any]:
        """What was added since the last line, as plain values: with it a resumed run's lines are the same."""
        return {
            "losses": list(self._losses),
            "norms": list(self._norms),
            "others": [dict(other) for other in self._others],
            "summary": self.summary(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._losses, self._norms, self._others = list(state["losses"]), list(state["norms"]), state["others"]
        summary = state["summary"]
        self._mean_loss, self.last_norm = summary["loss"], summary["gradient_norm"]
        self.rate = summary["learning_rate"]

    def summary(self) -> dict[str, float]:
        """What a checkpoint's manifest keeps."""
        return {"loss": self._mean_loss, "gradient_norm": self.last_norm, "learning_rate": self.rate}

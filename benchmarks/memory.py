"""Peak memory of a whole demo, sampled over its processes while it runs."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from playground.demo import leftovers

EVERY_S = 2.0


@dataclass
class PeakMemory:
    """A thread that samples a data directory's processes. `pss` counts shared pages once, `rss` each time.

    All figures in bytes; `at_peak` is the PSS of each kind of process when their sum was highest.
    """

    home: Path
    pss: int = 0
    rss: int = 0
    at_peak: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> "PeakMemory":
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.sample_until_stopped, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop.set()
        self.thread.join()

    def sample_until_stopped(self) -> None:
        while not self.stop.wait(EVERY_S):
            self.sample()

    def sample(self) -> None:
        by_kind: dict[str, int] = {}
        rss = 0
        for process in leftovers.processes_of(self.home):
            try:
                info = process.memory_full_info()
                kind = kind_of(process.cmdline())
            except psutil.Error:
                continue
            by_kind[kind] = by_kind.get(kind, 0) + info.pss
            rss += info.rss
        self.rss = max(self.rss, rss)
        if sum(by_kind.values()) > self.pss:
            self.pss, self.at_peak = sum(by_kind.values()), by_kind


KINDS = {
    "training.core.run": "training",
    "playground.web": "web",
    "worker": "worker",
    "beat": "beat",
    "redis-server": "redis",
    "launch_engine": "engines' processes",
    "VLLM": "engines' processes",
    "engines": "engines' supervisor",
    "supervisord": "supervisord",
}


def kind_of(command: list[str]) -> str:
    """Which part of Headwater a process is, by its command line."""
    line = " ".join(command)
    return next((kind for word, kind in KINDS.items() if word in line), "other")

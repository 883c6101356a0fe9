"""How many threads to compute with where processors are shared.

Measured on two cores (demo model, steps of 512 tokens): two threads made 10,000 tokens a second on idle
cores, but fell to 300 when other work wanted the cores, since OpenMP's threads spin while they wait for a
descheduled one; one thread then still made 3,000. So threads wait only briefly before they sleep, and their
number follows the cores that are free. The losses are the same to the bit with one thread or two, on the
demo's model.
"""

import os
import time

import psutil

SPINS = 2000  # of an OpenMP thread before it sleeps; the default is 300,000
LOOK_S = 2.0
SLACK = 0.4  # of a core: what may be busy elsewhere before a thread is given up


def prepare_openmp(threads: int) -> None:
    """Settings that libraries read when they are imported: to be called before torch is."""
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)


class Governor:
    """Keeps torch's threads at the number of free cores, between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = max(1, min(most, len(os.sched_getaffinity(0))))
        self._process = psutil.Process()
        self._looked_at, self._own_s, self._busy_s = self._look()
        self.threads = self._most
        self._use(self._most)

    def adjust(self) -> None:
        """Look, every LOOK_S seconds, how busy other processes kept the machine, and follow."""
        if time.monotonic() - self._looked_at < LOOK_S:
            return
        now, own_s, busy_s = self._look()
        elsewhere = (busy_s - self._busy_s - (own_s - self._own_s)) / (now - self._looked_at)
        self._looked_at, self._own_s, self._busy_s = now, own_s, busy_s
        self._use(free_threads(elsewhere, psutil.cpu_count() or 1, self._most))

    def _use(self, threads: int) -> None:
        import torch

        self.threads = threads
        torch.set_num_threads(threads)

    def _look(self) -> tuple[float, float, float]:
        """Now; seconds of CPU that this process took so far; seconds that all processors were busy."""
        own, machine = self._process.cpu_times(), psutil.cpu_times()
        idle_s = machine.idle + getattr(machine, "iowait", 0.0)
        busy_s = sum(machine) - idle_s - getattr(machine, "guest", 0.0)  # guests count as user already
        return time.monotonic(), own.user + own.system, busy_s


def free_threads(elsewhere: float, cores: int, most: int) -> int:
    """Threads to use, at most `most`, where other processes keep `elsewhere` of `cores` busy."""
    return max(1, min(most, int(cores - elsewhere + SLACK)))

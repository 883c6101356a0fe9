"""The demo as a newcomer meets it: seconds to the page and to the first chat, minutes by stage, memory.

`python -m benchmarks.demo [--recipe demo] [--install]`. Starts `manage.py demo` twice on a fresh data
directory: the first time it trains the flow, the second time everything is there. With `--install` both
environments are first installed into a fresh clone, and timed.
"""

import argparse
import json
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import httpx

from benchmarks import machine
from benchmarks.memory import PeakMemory
from tests.sites import ROOT, DemoSite

LONGEST_FLOW_S = 3600.0
GIB = 2**30


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the demo command to the page, and to the first answer in full."""

    page_s: float
    chat_s: float
    model: str

    def __str__(self) -> str:
        return f"page after {self.page_s:.1f} s, first answer after {self.chat_s:.0f} s ({self.model})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--install", action="store_true", help="time the installs in a fresh clone, too")
    options = parser.parse_args()
    lines = [f"# The whole demo, recipe {options.recipe}", machine.describe(), ""]
    if options.install:
        lines += install_lines()
    lines += demo_lines(options.recipe)
    text = "\n".join(lines) + "\n"
    print(text)
    print(f"Kept in {machine.keep('demo', text)}")


def install_lines() -> list[str]:
    """Times `make` of each environment in a clone of this checkout; pip's cache is as this machine has it."""
    with tempfile.TemporaryDirectory() as clone:
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        web_s = timed(["make", "--silent", ".venv/.installed"], clone)
        engine_s = timed(["make", "--silent", "engine"], clone)
    return [f"- install of .venv: {web_s:.0f} s; of .venv-engine, while the page is up: {engine_s:.0f} s"]


def timed(command: list[str], directory: str) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=directory, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def demo_lines(recipe: str) -> list[str]:
    """The first start, through the whole flow, and the second."""
    site = DemoSite(recipe=recipe, HEADWATER_ENGINE_SLOTS="2", HEADWATER_THREADS="0")
    try:
        with PeakMemory(site.home) as memory:
            first = measured_start(site)
            site.wait_until(site.is_trained, "the end of the flow", LONGEST_FLOW_S)
            stages = stage_lines(site)
            answer_of(site, site.model("instruct-sft"))
        site.interrupt()
        again = measured_start(site)
    finally:
        site.remove()
    peak = f"{memory.pss / GIB:.1f} GiB ({shares(memory)}); sum of RSS {memory.rss / GIB:.1f} GiB"
    return [f"- first start: {first}", f"- second start: {again}", f"- peak memory, PSS: {peak}", "", *stages]


def shares(memory: PeakMemory) -> str:
    largest = sorted(memory.at_peak.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {size / GIB:.2f}" for kind, size in largest if size > GIB / 100)


def measured_start(site: DemoSite) -> Start:
    """Starts the demo and asks until somebody answers: on the first start, the first checkpoint there is."""
    began = time.monotonic()
    site.start()
    page_s = time.monotonic() - began
    models: list[str] = []

    def answered() -> bool:
        models[:] = [
            row[0] for row in site.rows("SELECT name FROM training_checkpoint ORDER BY id DESC LIMIT 1")
        ]
        return bool(models) and answer_of(site, models[0])

    site.wait_until(answered, "a first answer", LONGEST_FLOW_S)
    return Start(page_s, time.monotonic() - began, models[0])


def answer_of(site: DemoSite, model: str) -> bool:
    """Whether the model answers a short question now."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "What is 12 + 34?"}],
        "max_tokens": 32,
    }
    with suppress(httpx.HTTPError):
        return site.api("POST", "/v1/chat/completions", json=body).status_code == 200
    return False


def stage_lines(site: DemoSite) -> list[str]:
    """A table of the stages: minutes of wall and CPU, and what the final checkpoint scored."""
    rows = site.rows("SELECT id, stage, started_at, finished_at, cpu_s FROM training_job ORDER BY position")
    lines = ["| stage | minutes | CPU minutes | final checkpoint's scores |", "| --- | --- | --- | --- |"]
    whole_s = 0.0
    for job, stage, started, finished, cpu_s in rows:
        wall_s = (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
        whole_s += wall_s
        scores = site.rows("SELECT scores FROM training_checkpoint WHERE job_id = ? AND final", job)
        told = in_words(scores[-1][0]) if scores else ""
        lines.append(f"| {stage} | {wall_s / 60:.1f} | {(cpu_s or 0) / 60:.1f} | {told} |")
    return [*lines, f"| all | {whole_s / 60:.1f} | | |"]


def in_words(scores: str) -> str:
    """A checkpoint's scores, which the database holds as JSON: 'greedy 0.97, sampled 0.71'."""
    return ", ".join(f"{name} {value:.3g}" for name, value in json.loads(scores).items())


if __name__ == "__main__":
    main()

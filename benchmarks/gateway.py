"""What /v1 costs: beside vLLM asked directly, and LiteLLM's proxy before the same vLLM, in one run.

`python -m benchmarks.gateway [--streams 64] [--tokens 96] [--asks 60] [--rounds 3]`. One vLLM process on
loopback holds a model of 10 million random weights; the site's own web process and LiteLLM's are set before
it. Every way is asked for the same greedy answers, in turns, so that a busy moment of the machine meets all.
LiteLLM's Python is that of `--litellm` (an environment with litellm[proxy]); without it, it is left out.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import machine
from benchmarks.gateway_site import MODEL, free_port, make_site, web_command
from playground.core.engine_http import ErrorAnswer, post_for_events
from training.core.serving.engine_process import SERVED_NAME, EngineConfig, EngineProcess

ROOT = Path(__file__).resolve().parent.parent
START_S = 180.0
LONG_TOKENS = 800
IDLE_PERCENT = 10
KV_CACHE_BYTES = 2**30
WORDS = "The river rises in the hills and falls through woods and fields until it meets the sea"


@dataclass(frozen=True)
class Way:
    """One address to ask, what to add to the body, and the process whose time it takes."""

    name: str
    address: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    process: psutil.Process | None = None

    async def ask(self, prompt: str, tokens: int) -> "Answer":
        began, first_s, last = time.perf_counter(), 0.0, b""
        events = self.events(prompt, tokens)
        try:
            async for together in events:
                first_s = first_s or (time.perf_counter() - began if any(map(has_text, together)) else 0.0)
                last = together[-1]
        except ErrorAnswer as error:
            raise SystemExit(f"{self.name} refused: {error.status} {error.body[:500]!r}") from error
        return Answer(json.loads(last)["usage"]["completion_tokens"], first_s)

    async def leave(self, prompt: str) -> None:
        """Ask for a long answer and go away at its first words."""
        async with aclosing(self.events(prompt, LONG_TOKENS)) as events:
            async for together in events:
                if any(map(has_text, together)):
                    return

    def events(self, prompt: str, tokens: int) -> AsyncGenerator[list[bytes], None]:
        body = self.body | {"stream": True, "temperature": 0, "max_tokens": tokens}
        body["stream_options"] = {"include_usage": True}
        if self.path.endswith("chat/completions"):
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt
        return post_for_events(self.address, self.path, body, silence_s=300, headers=self.headers)


@dataclass(frozen=True)
class Answer:
    tokens: int
    first_s: float


@dataclass(frozen=True)
class Figure:
    """One way. Times in ms; `share` of vLLM's own throughput in the same round. `freed_ms`: the longest time
    from a client's leaving to the engine's own count of running answers being 0."""

    way: str
    first_ms: float
    added_ms: float
    streams_first_ms: float
    tokens_per_s: float
    share: float
    cpu_us_a_token: float
    freed_ms: float


def has_text(data: bytes) -> bool:
    choices = json.loads(data).get("choices")
    if not choices:
        return False
    delta = choices[0].get("delta") or {"text": choices[0].get("text")}
    return any(delta.get(name) for name in ("content", "reasoning", "reasoning_content", "text"))


def prompts(count: int, seed: int = 0) -> list[str]:
    """Different ones, so that no cache answers for the engine."""
    return [f"{seed} {n}. {WORDS}" for n in range(count)]


async def first_tokens(ways: Sequence[Way], asks: int) -> dict[str, float]:
    """Median milliseconds to the first token, asked one after another, the ways in turns."""
    times: dict[str, list[float]] = {way.name: [] for way in ways}
    for n, prompt in enumerate(prompts(asks, seed=1)):
        for way in rotated(ways, n):
            answer = await way.ask(f"{way.name} {prompt}", 4)
            times[way.name].append(1e3 * answer.first_s)
    return {name: statistics.median(values[len(values) // 10 :]) for name, values in times.items()}


async def freed_after(ways: Sequence[Way], times: int) -> dict[str, float]:
    """The longest of so many times, in ms, that the engine works on after its client has left."""
    longest = dict.fromkeys((way.name for way in ways), 0.0)
    async with httpx.AsyncClient(base_url=ways[0].address, trust_env=False, timeout=30) as engine:
        for n, prompt in enumerate(prompts(times, seed=3)):
            for way in rotated(ways, n):
                await way.leave(f"{way.name} {prompt}")
                began = time.perf_counter()
                while running_answers((await engine.get("/metrics")).text):
                    await asyncio.sleep(0.005)
                longest[way.name] = max(longest[way.name], 1e3 * (time.perf_counter() - began))
    return longest


def running_answers(metrics: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running")]
    return sum(float(line.split()[-1]) for line in lines)


async def throughput(way: Way, streams: int, tokens: int, seed: int) -> tuple[float, float, float]:
    """Tokens a second of all streams, median ms to a first token, and the way's own CPU µs a token."""
    before, began = cpu_s(way.process), time.perf_counter()
    answers = await asyncio.gather(*(way.ask(prompt, tokens) for prompt in prompts(streams, seed)))
    wall_s, total = time.perf_counter() - began, sum(answer.tokens for answer in answers)
    first_ms = 1e3 * statistics.median(answer.first_s for answer in answers)
    return total / wall_s, first_ms, 1e6 * (cpu_s(way.process) - before) / total


def cpu_s(process: psutil.Process | None) -> float:
    return sum(process.cpu_times()[:2]) if process else 0.0


def rotated(ways: Sequence[Way], by: int) -> list[Way]:
    return [*ways[by % len(ways) :], *ways[: by % len(ways)]]


async def measure(ways: Sequence[Way], options: argparse.Namespace) -> list[Figure]:
    for way in ways:  # everything is read and compiled once
        await throughput(way, 4, 8, seed=2)
    firsts = await first_tokens(ways, options.asks)
    print("First tokens, ms: " + ", ".join(f"{name} {ms:.1f}" for name, ms in firsts.items()), flush=True)
    freed = await freed_after(ways, options.leavings)
    print("Freed after, ms: " + ", ".join(f"{name} {ms:.0f}" for name, ms in freed.items()), flush=True)
    rounds = []
    for n in range(options.rounds):
        figures = {
            w.name: await throughput(w, options.streams, options.tokens, 10 + n) for w in rotated(ways, n)
        }
        rounds.append(figures)
        print(f"Round {n + 1}: " + ", ".join(f"{name} {f[0]:.0f}" for name, f in figures.items()), flush=True)
    direct = ways[0].name
    return [
        Figure(
            way.name,
            firsts[way.name],
            firsts[way.name] - firsts[direct],
            statistics.median(figures[way.name][1] for figures in rounds),
            statistics.median(figures[way.name][0] for figures in rounds),
            statistics.median(figures[way.name][0] / figures[direct][0] for figures in rounds),
            statistics.median(figures[way.name][2] for figures in rounds),
            freed[way.name],
        )
        for way in ways
    ]


@contextmanager
def running(command: Sequence[str], log: Path, **environ: str) -> Iterator[psutil.Process]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environ}, stdout=output, stderr=output
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_up(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise SystemExit(f"{url} did not answer in {START_S:.0f} s: {log.read_text()[-2000:]}")


def wait_until_idle(process: psutil.Process) -> None:
    """The site compiles its tracer in a thread when it starts: seconds, where nobody has done so before."""
    deadline = time.monotonic() + START_S
    while process.cpu_percent(interval=1.0) > IDLE_PERCENT:
        if time.monotonic() > deadline:
            raise SystemExit(f"The site's web process is still at work {START_S:.0f} s after its start.")


@contextmanager
def engine(model: Path, home: Path) -> Iterator[int]:
    """vLLM as the site runs it, but on a loopback port, which LiteLLM needs."""
    port = free_port()
    log = home / "engine.log"
    python = ROOT / ".venv-engine/bin/python"
    process = EngineProcess(EngineConfig(slot=0, python=python, run_directory=home / "run", log=log))
    command = [*process._command(model), "--port", str(port), "--kv-cache-bytes", str(KV_CACHE_BYTES)]
    (home / "run").mkdir(exist_ok=True)
    with log.open("wb") as output:
        started = subprocess.Popen(  # a session of its own, because it ends its whole group with itself
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health", log)
        yield port
    finally:
        assert started.stdin is not None
        started.stdin.close()  # its launcher ends everything that it started
        started.wait(30)


def litellm_way(options: argparse.Namespace, home: Path, engine_port: int, stack: ExitStack) -> list[Way]:
    python = Path(options.litellm)
    if not python.exists():
        print(f"{python} does not exist: LiteLLM is left out.")
        return []
    port, key = free_port(), f"sk-{secrets.token_hex(8)}"
    model = {
        "model_name": MODEL,
        "litellm_params": {
            "model": f"hosted_vllm/{SERVED_NAME}",
            "api_base": f"http://127.0.0.1:{engine_port}/v1",
            "api_key": "none",
        },
    }
    configuration = home / "litellm.yaml"
    configuration.write_text(json.dumps({"model_list": [model], "general_settings": {"master_key": key}}))
    log = home / "litellm.log"
    command = [str(python.with_name("litellm")), "--config", str(configuration), "--port", str(port)]
    process = stack.enter_context(
        running([*command, "--host", "127.0.0.1", "--num_workers", "1"], log, LITELLM_LOG="ERROR")
    )
    address = f"http://127.0.0.1:{port}"
    wait_until_up(f"{address}/health/liveliness", log)
    headers = {"Authorization": f"Bearer {key}"}
    return [Way("LiteLLM's proxy", address, "/v1/chat/completions", {"model": MODEL}, headers, process)]


def ways_of(options: argparse.Namespace, home: Path, stack: ExitStack) -> list[Way]:
    site = make_site(home)
    engine_port = stack.enter_context(engine(site.model, home))
    direct = f"http://127.0.0.1:{engine_port}"
    site.serve(direct)
    port, log = free_port(), home / "web.log"
    stack.enter_context(running(site.redis_command, home / "redis.log"))
    web = stack.enter_context(running(web_command(port), log, **site.environ))
    address = f"http://127.0.0.1:{port}"
    wait_until_up(f"{address}/health", log)
    wait_until_idle(web)
    headers = {"Authorization": f"Bearer {site.key}"}
    body = {"model": SERVED_NAME, "ignore_eos": True}
    return [
        Way("vLLM directly", direct, "/v1/chat/completions", body, {}),
        Way("vLLM's completions directly", direct, "/v1/completions", body, {}),
        Way("Headwater's /v1", address, "/v1/chat/completions", {"model": MODEL}, headers, web),
        *litellm_way(options, home, engine_port, stack),
    ]


def table(figures: Sequence[Figure], streams: int) -> list[str]:
    head = [
        "way",
        "first token, ms",
        "added",
        f"at {streams} streams, ms",
        "tokens/s",
        "of vLLM's",
        "CPU µs/token",
        "freed after, ms",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for f in figures:
        cells = [f.way, f"{f.first_ms:.1f}", f"{f.added_ms:+.1f}", f"{f.streams_first_ms:.0f}"]
        cells += [f"{f.tokens_per_s:.0f}", f"{f.share:.1%}", f"{f.cpu_us_a_token:.0f}", f"{f.freed_ms:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument(
        "--asks", type=int, default=60, help="questions one after another, for the first token"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--leavings", type=int, default=8, help="clients that leave in mid-answer")
    parser.add_argument("--litellm", default=str(ROOT / ".venv-clients/bin/python"))
    parser.add_argument("--results", type=Path, default=machine.RESULTS)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hw-") as folder, ExitStack() as stack:
        ways = ways_of(options, Path(folder), stack)
        figures = asyncio.run(measure(ways, options))
    notes = f"Load average {load:.1f} before. First tokens: one question after another. Throughput: "
    notes += (
        f"{options.streams} streams of {options.tokens} tokens, median of {options.rounds} rounds. Freed: "
    )
    notes += f"from a client's leaving to the engine's own count of 0, the longest of {options.leavings}."
    data = json.dumps([asdict(figure) for figure in figures])
    lines = ["# /v1 beside vLLM itself and LiteLLM's proxy", f"{machine.describe()}. {notes}", ""]
    text = "\n".join([*lines, *table(figures, options.streams), "", f"```json\n{data}\n```"]) + "\n"
    print(text)
    print(f"Kept in {machine.keep('gateway', text, options.results)}")


if __name__ == "__main__":
    sys.exit(main())

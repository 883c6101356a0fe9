"""Kills each process of a running site at random moments in mid-answer, and says what became of the answers.

`python -m benchmarks.kills [--recipe test] [--moments 10] [--programs web redis engine engines worker beat]
[--home DIR --port N]`. Starts `manage.py demo` on a fresh data directory, or takes the one that runs from
`--home`. Each time a prompt is sent and its answer watched, as a page does, until a random moment; then
kill -9. What is expected: the prompt is there once; the answer keeps at least all that the page had seen, its
text is the decoding of its token ids, and it can be gone on with, from exactly there, to its end.
"""

import argparse
import json
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import redis

from benchmarks import measuring
from benchmarks.measuring import Row
from tests.sites import DemoSite
from tracing.core.text.tokenizer import TextTokenizer

ENDED = ("complete", "stopped", "interrupted", "failed")
TOKENS = 400
LONGEST_S = 0.5  # the tiny model that the test recipe trains ends its answers soon after
PROGRAMS = ("web", "redis", "engine", "engines", "worker", "beat")


@dataclass
class Browser:
    """A visitor without JavaScript, that remembers how much of an answer it has been sent."""

    site: DemoSite
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.site.url, timeout=60, trust_env=False)
        self.client.get("/")

    def post(self, path: str, **form: object) -> httpx.Response:
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": self.site.url}
        return self.client.post(path, data=form, headers=headers)

    def send(self, model: str) -> UUID:
        """A new chat; the id of its answer."""
        form = {"text": "What is 47 + 38?", "model": model, "temperature": 1, "max_tokens": TOKENS}
        location = self.post("/chat/", **form).headers["location"]
        thread = UUID(location.strip("/").split("/")[1])
        query = "SELECT id FROM playground_message WHERE thread_id = ? AND role = 'assistant'"
        [[answer]] = self.site.rows(query, thread.hex)
        return UUID(answer)

    def watch(self, answer: UUID, seen: list[int]) -> None:
        """How many characters of the answer's text were saved or sent at each event, until it breaks off."""
        with suppress(httpx.HTTPError), self.client.stream("GET", f"/messages/{answer}/stream/") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: {"):
                    seen.append(len(line))


@dataclass
class Killing:
    """One kill, and what became of the answer."""

    program: str
    after_s: float
    state: str = ""
    tokens: int = 0
    settled_s: float = 0.0
    went_on: str = ""
    faults: list[str] = field(default_factory=list)


def pid_of(site: DemoSite, program: str) -> int:
    if program == "engine":
        rows = site.rows("SELECT pid FROM playground_engine WHERE state = 'ready'")
        return int(rows[0][0]) if rows else 0
    return site.pid(program)


def row_of(site: DemoSite, answer: UUID) -> dict[str, Any]:
    names = "state, raw_text, token_ids, error, thread_id"
    [row] = site.rows(f"SELECT {names} FROM playground_message WHERE id = ?", answer.hex)
    return dict(zip(names.split(", "), row, strict=True))


def streamed(site: DemoSite, answer: UUID) -> str:
    """What of the answer is in its stream or in the database, whichever has more of it."""
    text = str(row_of(site, answer)["raw_text"])
    so_far = ""
    with suppress(redis.RedisError):
        client = redis.Redis(unix_socket_path=str(site.home / "run" / "redis.sock"), decode_responses=True)
        for _, fields in client.xrange(f"headwater:answer:{answer}"):
            event = json.loads(fields["event"])
            if event["type"] == "start":
                so_far = event["text"]
            elif event["type"] == "piece":
                so_far += event["text"]
        client.close()
    return max(text, so_far, key=len)


def kill_once(site: DemoSite, model: str, program: str, after_s: float) -> Killing:
    killing = Killing(program, after_s)
    site.wait_until(site.is_ready, "an engine", 180)
    browser = Browser(site)
    answer, seen = browser.send(model), list[int]()
    watching = threading.Thread(target=browser.watch, args=(answer, seen), daemon=True)
    watching.start()
    time.sleep(after_s)
    pid = pid_of(site, program)
    before = streamed(site, answer)
    if pid:
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    site.wait_until(site.is_up, "the page", 120)
    site.wait_until(lambda: row_of(site, answer)["state"] in ENDED, "the answer's end", 180)
    killing.settled_s = time.monotonic() - killed
    judge(site, killing, answer, before)
    if killing.state != "complete":
        go_on(site, killing, answer, browser)
    return killing


def judge(site: DemoSite, killing: Killing, answer: UUID, before: str) -> None:
    row = row_of(site, answer)
    ids = json.loads(row["token_ids"])
    killing.state, killing.tokens = row["state"], len(ids)
    if not row["raw_text"].startswith(before):
        killing.faults.append(
            f"lost text: {len(before)} characters had been written, {len(row['raw_text'])} kept"
        )
    check_text(site, killing, ids, row["raw_text"])
    messages = site.rows("SELECT role FROM playground_message WHERE thread_id = ?", row["thread_id"])
    if sorted(role for (role,) in messages) != ["assistant", "user"]:
        killing.faults.append(f"{len(messages)} messages in the chat")


def go_on(site: DemoSite, killing: Killing, answer: UUID, browser: Browser) -> None:
    """Continue twice at once, as two tabs would: the text goes on from where it was, once."""
    before = json.loads(row_of(site, answer)["token_ids"])
    site.wait_until(site.is_ready, "an engine", 180)
    tabs = [threading.Thread(target=browser.post, args=(f"/messages/{answer}/continue/",)) for _ in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    site.wait_until(lambda: row_of(site, answer)["state"] in ENDED, "the end of what went on", 180)
    row = row_of(site, answer)
    ids = json.loads(row["token_ids"])
    killing.went_on = f"{row['state']} with {len(ids)} tokens"
    if ids[: len(before)] != before or row["state"] != "complete":
        killing.faults.append(f"went on to {killing.went_on}")
    check_text(site, killing, ids, row["raw_text"])


def check_text(site: DemoSite, killing: Killing, ids: list[int], text: str) -> None:
    tokenizer = TextTokenizer.open(
        next(path for path in (site.home / "checkpoints").iterdir() if path.is_dir())
    )
    if tokenizer.decode(ids)[0] != text:
        killing.faults.append("the text is not the decoding of its token ids")


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--recipe", default="test")
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options, load = parser.parse_args(), measuring.load()
    site = DemoSite(recipe=options.recipe)
    if options.home:
        site.home, site.port = options.home, options.port
        site.url = f"http://127.0.0.1:{options.port}"
    try:
        if not options.home:
            site.start().wait_until_trained()
        rows = [summary(program, killings(site, options, program)) for program in options.programs]
    finally:
        if not options.home:
            site.remove()
    notes = [
        f"kill -9 at {options.moments} random moments of each program's, up to {LONGEST_S} s into an answer."
    ]
    measuring.keep(options, "kills", "Processes killed in mid-answer", notes, rows, load)


def killings(site: DemoSite, options: argparse.Namespace, program: str) -> list[Killing]:
    chance = random.Random(f"{options.seed} {program}")
    done = []
    for _ in range(options.moments):
        killing = kill_once(site, site.model("think-sft"), program, chance.uniform(0.05, LONGEST_S))
        print(killing, flush=True)
        done.append(killing)
    return done


def summary(program: str, done: list[Killing]) -> Row:
    states = [killing.state for killing in done]
    return {
        "killed": program,
        "times": len(done),
        "answers lost or doubled": sum(bool(killing.faults) for killing in done),
        **{state: states.count(state) for state in ENDED},
        "longest until settled, s": max(killing.settled_s for killing in done),
        "faults": "; ".join(fault for killing in done for fault in killing.faults),
    }


if __name__ == "__main__":
    main()

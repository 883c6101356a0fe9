"""Kills each process of a running site at random moments in mid-answer, and says what became of the answers.

`python -m benchmarks.kills [--moments 10] [--programs web redis engine engines worker beat sending]
[--home DIR --port N]`. Starts `manage.py demo` with the test recipe on a fresh data directory, or takes the
one that runs from `--home`, and gives it a model whose answers are long. Each time a prompt is sent and its
answer watched, as a page does, until it has a random number of tokens; then kill -9. What is expected: the
prompt is there once; the answer keeps at least all that had been written, its text is the decoding of its
token ids, and it can be gone on with, from exactly there, to its end.

`sending` kills the web process while the prompt is on its way instead, and sends it again under its id, as a
browser that got no answer does: one prompt and one answer are expected.
"""

import argparse
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx

from benchmarks import measuring
from benchmarks.kept_answers import Answer
from benchmarks.long_answers import MODEL, TOKENS, add_long_model
from benchmarks.measuring import Row
from tests.sites import DemoSite

ENDED = ("complete", "stopped", "interrupted", "failed")
PROGRAMS = ("web", "redis", "engine", "engines", "worker", "beat", "sending")
MID_ANSWER_TOKENS = TOKENS // 2
"""The last moment to kill at: what comes later might hit an answer that has ended by then."""
SENDING_S = 0.15
TOKENS_WAIT_S = 300.0
LOOK_S = 0.005


@dataclass
class Browser:
    """A visitor without JavaScript, who watches an answer."""

    site: DemoSite
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.site.url, timeout=60, trust_env=False)
        self.client.get("/").raise_for_status()

    def post(self, path: str, **form: object) -> httpx.Response:
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": self.site.url}
        return self.client.post(path, data=form, headers=headers)

    def send(self, question_id: str) -> Answer:
        """A new chat; its answer."""
        form = {"text": "What is 47 + 38?", "model": MODEL, "temperature": 1, "max_tokens": TOKENS}
        self.post("/chat/", **form, question_id=question_id)
        return Answer.to(self.site, question_id)

    def watch(self, answer: Answer) -> None:
        with suppress(httpx.HTTPError), self.client.stream("GET", f"/messages/{answer.id}/stream/") as stream:
            for _ in stream.iter_lines():
                pass


@dataclass
class Killing:
    """One kill, and what became of the answer. `settled_s` runs from the kill to the answer's end."""

    program: str
    at_tokens: int = 0
    state: str = ""
    tokens: int = 0
    settled_s: float = 0.0
    went_on: str = ""
    faults: list[str] = field(default_factory=list)


def kill(site: DemoSite, program: str) -> None:
    if program == "engine":
        rows = site.rows("SELECT pid FROM playground_engine WHERE state = 'ready'")
        pid = int(rows[0][0]) if rows else 0
    else:
        pid = site.pid(program)
    if pid:
        os.kill(pid, signal.SIGKILL)


def kill_in_mid_answer(site: DemoSite, program: str, at_tokens: int) -> Killing:
    browser = Browser(site)
    answer = browser.send(str(uuid4()))
    threading.Thread(target=browser.watch, args=(answer,), daemon=True).start()
    deadline = time.monotonic() + TOKENS_WAIT_S
    while not answer.has_tokens(at_tokens):
        assert time.monotonic() < deadline, f"{at_tokens} tokens did not come: {answer.row()}"
        time.sleep(LOOK_S)
    text, tokens = answer.written()
    kill(site, program)
    killing = Killing(program, tokens)
    await_end(site, killing, answer)
    if not answer.row()["raw_text"].startswith(text):
        killing.faults.append(f"lost text: {tokens} tokens had been written, {killing.tokens} were kept")
    if killing.state != "complete":
        go_on(site, killing, answer, browser)
    return killing


def kill_in_sending(site: DemoSite, after_s: float) -> Killing:
    """The web process dies while it takes a prompt, which is then sent again."""
    browser, question_id = Browser(site), str(uuid4())

    def send() -> None:
        with suppress(httpx.HTTPError, LookupError):
            browser.send(question_id)

    sending = threading.Thread(target=send)
    sending.start()
    time.sleep(after_s)
    kill(site, "web")
    sending.join()
    site.wait_until(site.is_up, "the page", 120)
    killing = Killing("sending")
    answer = browser.send(question_id)
    await_end(site, killing, answer)
    if killing.state != "complete":
        go_on(site, killing, answer, browser)
    return killing


def await_end(site: DemoSite, killing: Killing, answer: Answer) -> None:
    """Wait until the answer has ended, however, and look at it and its chat."""
    killed = time.monotonic()
    site.wait_until(site.is_up, "the page", 120)
    site.wait_until(lambda: answer.row()["state"] in ENDED, "the answer's end", 300)
    killing.settled_s = time.monotonic() - killed
    killing.state, killing.tokens = answer.row()["state"], answer.written()[1]
    killing.faults += answer.faults()


def go_on(site: DemoSite, killing: Killing, answer: Answer, browser: Browser) -> None:
    """Continue twice at once, as two tabs would: the text goes on from where it was, once."""
    before = answer.token_ids()
    tabs = [
        threading.Thread(target=browser.post, args=(f"/messages/{answer.id}/continue/",)) for _ in range(2)
    ]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    site.wait_until(lambda: answer.row()["state"] in ENDED, "the end of what went on", 300)
    after, state = answer.token_ids(), answer.row()["state"]
    killing.went_on = f"{state} with {len(after)} tokens"
    if after[: len(before)] != before or state != "complete":
        killing.faults.append(f"went on to {killing.went_on}: {answer.row()['error']}")
    killing.faults += answer.faults()


def killings(site: DemoSite, program: str, moments: int, seed: int) -> list[Killing]:
    chance = random.Random(f"{seed} {program}")
    done = []
    for _ in range(moments):
        if program == "sending":
            killing = kill_in_sending(site, chance.uniform(0, SENDING_S))
        else:
            killing = kill_in_mid_answer(site, program, chance.randint(1, MID_ANSWER_TOKENS))
        print(killing, flush=True)
        done.append(killing)
    return done


def summary(program: str, done: list[Killing]) -> Row:
    states = [killing.state for killing in done]
    return {
        "killed": program,
        "times": len(done),
        "at tokens": ", ".join(str(killing.at_tokens) for killing in done),
        "answers lost or doubled": sum(bool(killing.faults) for killing in done),
        **{state: states.count(state) for state in ENDED},
        "gone on with": sum(bool(killing.went_on) for killing in done),
        "longest until settled, s": max(killing.settled_s for killing in done),
        "faults": "; ".join(fault for killing in done for fault in killing.faults),
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options, load = parser.parse_args(), measuring.load()
    site, rows = DemoSite(recipe="test"), list[Row]()
    try:
        prepare(site, options)
        for program in options.programs:
            rows.append(summary(program, killings(site, program, options.moments, options.seed)))
    except KeyboardInterrupt:
        print("Stopped: what was done is kept.")
    finally:
        if not options.home:
            site.remove()
    notes = [
        f"kill -9 when an answer of up to {TOKENS} tokens had so many of them (at tokens); `sending`: of the "
        f"web process within {SENDING_S} s of sending the prompt.",
        "Went on: answers that were not complete were continued from two tabs at once.",
    ]
    measuring.keep(options, "kills", "Processes killed in mid-answer", notes, rows, load)


def prepare(site: DemoSite, options: argparse.Namespace) -> None:
    """A site that runs, has trained its flow, and serves the model of long answers."""
    if options.home:
        site.home, site.port, site.url = options.home, options.port, f"http://127.0.0.1:{options.port}"
        site.environ["HEADWATER_HOME"] = str(options.home)
    else:
        site.start().wait_until_trained()
    add_long_model(site)


if __name__ == "__main__":
    main()

"""Jobs whose answers are rewarded by a judge (a server on the loopback stands for another company's) and by
the sandbox, beside each other."""

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.training.core_jobs import events, log_of, run_here
from tests.training.judge_server import Handler
from tests.training.rl.conftest import make_rl
from tests.training.rl.prompt_stores import write_prompts
from training.core.machine import Machine, write_machine
from training.core.verifiers.code import CodeVerifier
from training.core.verifiers.judge import Endpoint


def score_of(answer: str) -> float:
    """What this judge makes of an answer: it likes an even number of characters."""
    return 1.0 if len(answer) % 2 == 0 else 0.25


class Grading(Handler):
    def do_POST(self) -> None:  # noqa: N802  (the name that http.server calls)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        material = body["messages"][1]["content"]
        answer = material.rpartition(" begins\n")[2].rpartition("\n--- answer")[0]
        content = json.dumps({"score": score_of(answer), "reason": "so it is"})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": content}}]}).encode())


@pytest.fixture
def grader() -> Iterator[Endpoint]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Grading)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "grader")
    server.shutdown()
    thread.join()
    server.server_close()


def test_answers_are_rewarded_by_the_judge_the_sandbox_and_both(trained: Path, grader: Endpoint) -> None:
    judged = {"verifier": "judge", "reference": None}
    runs = {"verifier": "code", "reference": {"tests": ["pass"]}}  # any text that is Python passes
    both = {"verifier": {"judge": 3, "code": 1}, "reference": {"judge": None, "code": {"tests": ["pass"]}}}
    for name, reward in (("judged", judged), ("coded", runs), ("both", both)):
        rows = [{"question": f"{name} {n}: 20 + {n}?", **reward} for n in range(4)]
        write_prompts(trained, f"kind-{name}", rows)
    sources = [{"store": f"kind-{name}", "weight": 1.0} for name in ("judged", "coded", "both")]
    folder = make_rl(trained, "graded", sources=sources, longest_answer=4, steps=3, rounds=2, batch_size=3)
    write_machine(folder, Machine(judge=grader))
    assert run_here(folder) == 0, log_of(folder)
    seen = set[str]()
    for path in (folder / "rollouts").glob("*.json"):
        step: dict[str, Any] = json.loads(path.read_text())
        for group in (*step["groups"], *step["dropped"]):
            texts = [rollout[3] for rollout in group["rollouts"]]
            store = group["source"]["prompt"]["store"]
            assert group["rewards"] == pytest.approx([expected(store, text) for text in texts])
            seen.add(store)
    assert seen == {"kind-judged", "kind-coded", "kind-both"}
    assert events(folder, "metric")[-1]["unverified"] == 0


def expected(store: str, text: str) -> float:
    said = text.strip()
    judge = score_of(said) if said else 0.0
    if store == "kind-judged":
        return judge
    code = CodeVerifier().verify(text, {"tests": ["pass"]}).reward
    return code if store == "kind-coded" else (3 * judge + code) / 4

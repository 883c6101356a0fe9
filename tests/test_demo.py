"""The demo survives whatever is killed, and leaves nothing behind."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sites import PAGE_WAIT_S, ROOT, DemoSite, free_port

NO_ENGINE = {"HEADWATER_ENGINE_PYTHON": "/no/such/python"}
PROGRAMS = ["redis", "web", "worker", "beat", "engines"]


@pytest.fixture
def bare_site() -> Iterator[DemoSite]:
    """A site of the test's own, without an engine, not started yet."""
    site = DemoSite(**NO_ENGINE)
    yield site
    site.remove()


def run_demo(site: DemoSite, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A demo command that is expected to end by itself."""
    command = [sys.executable, "manage.py", "demo", "--no-browser", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**site.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_page_answers_and_every_part_is_ready(demo_site: DemoSite) -> None:
    assert demo_site.get("/health").json() == {"status": "ok"}
    ready = demo_site.get("/ready")
    assert ready.json()["parts"].keys() == {"database", "redis", "engine"}
    assert all(part == {"ready": True, "reason": ""} for part in ready.json()["parts"].values())
    page = demo_site.get("/", follow_redirects=True)
    assert page.status_code == 200
    assert "Headwater" in page.text


def test_the_terminal_tells_what_happened(demo_site: DemoSite) -> None:
    for words in (demo_site.url, "password", "demo.key", "stage pretrain: done", "flow demo: trained in"):
        demo_site.wait_until(lambda words=words: words in demo_site.output.read_text(), words, 10)


def test_keys_are_for_their_owner_only(demo_site: DemoSite) -> None:
    assert mode_of(demo_site.home / "demo.key") == mode_of(demo_site.home / "secret.key") == 0o600
    assert mode_of(demo_site.home / "run") == mode_of(demo_site.home / "redis") == 0o700
    assert demo_site.key not in demo_site.output.read_text()


def test_the_key_opens_the_api(demo_site: DemoSite) -> None:
    models = demo_site.api("GET", "/v1/models")
    assert models.status_code == 200, models.text
    assert demo_site.model("think-sft") in {model["id"] for model in models.json()["data"]}


def test_nothing_listens_beyond_this_machine(demo_site: DemoSite) -> None:
    for process in demo_site.processes():
        for connection in process.net_connections("inet"):
            if connection.status == "LISTEN":
                assert connection.laddr.ip == "127.0.0.1", process.cmdline()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back(demo_site: DemoSite, program: str) -> None:
    killed = demo_site.pid(program)
    assert killed
    os.kill(killed, signal.SIGKILL)
    demo_site.wait_until(lambda: demo_site.pid(program) not in {0, killed}, f"a new {program}", PAGE_WAIT_S)
    demo_site.wait_until(demo_site.is_up, "the page", PAGE_WAIT_S)
    demo_site.wait_until_ready()
    answer = demo_site.api(
        "POST",
        "/v1/chat/completions",
        json={
            "model": demo_site.model("think-sft"),
            "messages": [{"role": "user", "content": "What is 3 + 4?"}],
            "max_tokens": 20,
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("program", ["redis", "web", "worker", "beat", "engines"])
def test_every_program_can_be_found_as_this_demo_s(demo_site: DemoSite, program: str) -> None:
    """A demo that was killed is cleared away by what carries its mark."""
    assert demo_site.pid(program) in {process.pid for process in demo_site.processes()}


def test_a_second_demo_of_the_same_directory_is_told_where_the_first_is(demo_site: DemoSite) -> None:
    second = run_demo(demo_site, "--port", str(free_port()))
    assert second.returncode == 1
    assert f"already runs from {demo_site.home}, at {demo_site.url}" in second.stderr
    assert demo_site.is_up()


def test_a_port_that_is_taken_is_named(demo_site: DemoSite, bare_site: DemoSite) -> None:
    second = run_demo(bare_site, "--port", str(demo_site.port))
    assert second.returncode == 1
    assert f"Port {demo_site.port} cannot be used" in second.stderr
    assert "make demo PORT=" in second.stderr
    assert bare_site.processes() == []
    assert demo_site.is_up()


def test_a_recipe_that_does_not_exist_stops_the_demo_with_its_reason(bare_site: DemoSite) -> None:
    stopped = run_demo(bare_site, "--port", str(bare_site.port), "--recipe", "no-such-recipe")
    assert stopped.returncode == 1
    assert "no-such-recipe" in stopped.stderr
    assert bare_site.processes() == []


def running_stage(site: DemoSite) -> str:
    rows = site.rows("SELECT stage FROM training_job WHERE state = 'running' AND done > 0")
    return str(rows[0][0]) if rows else ""


def steps_of(site: DemoSite, stage: str) -> list[int]:
    """Every step that the stage reported a loss for, in the order of reporting."""
    (job,) = site.rows("SELECT id FROM training_job WHERE stage = ?", stage)[0]
    lines = (site.home / "jobs" / str(job) / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event["step"] for event in events if event["type"] == "metric"]


def test_killed_in_mid_training_it_goes_on_and_ctrl_c_leaves_no_process(bare_site: DemoSite) -> None:
    site = bare_site.start()
    site.wait_until(lambda: running_stage(site) == "midtrain", "the stage midtrain", 600)
    site.wait_until(lambda: steps_of(site, "midtrain"), "a step of midtrain", 300)
    before = site.rows("SELECT name, digest, created_at FROM training_checkpoint ORDER BY id")
    site.kill_everything()
    assert site.processes() == []

    site.start()
    site.wait_until(lambda: running_stage(site) == "think-sft", "the stage after midtrain", 600)
    after = site.rows("SELECT name, digest, created_at FROM training_checkpoint ORDER BY id")
    assert after[: len(before)] == before
    attempts = dict(site.rows("SELECT stage, attempts FROM training_job"))
    assert attempts["pretrain"] == 1
    assert attempts["midtrain"] > 1

    output = site.output.read_text()
    assert "password" not in output.replace("changepassword", "")
    assert site.interrupt() == 0
    assert site.processes() == []


def test_a_killed_demo_command_leaves_nothing_that_the_next_start_trips_over(bare_site: DemoSite) -> None:
    site = bare_site.start()
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    site.start()
    assert site.get("/ready").json()["parts"]["redis"] == {"ready": True, "reason": ""}
    assert site.interrupt(signal.SIGTERM) == 0
    assert site.processes() == []


def test_a_killed_supervisord_is_replaced(bare_site: DemoSite) -> None:
    site = bare_site.start()
    web = site.pid("web")
    (supervisord,) = [
        process for process in site.processes() if "supervisor.supervisord" in process.cmdline()
    ]
    supervisord.kill()
    site.wait_until(lambda: site.pid("web") not in {0, web}, "a new web", PAGE_WAIT_S)
    site.wait_until(site.is_up, "the page", PAGE_WAIT_S)

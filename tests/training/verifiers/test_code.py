"""Code that models wrote: what passes, and that nothing gets out of the sandbox."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from training.core.verifiers.code import CodeVerifier
from training.core.verifiers.confinement import confine
from training.core.verifiers.confinement.limits import Limits
from training.core.verifiers.confinement.sandbox import Ran, run_code
from training.core.verifiers.verdict import VerifierError

QUICK = Limits(wall_s=30, cpu_s=1)
BRIEF = Limits(wall_s=1.5, cpu_s=1)
ADD = "def add(a, b):\n    return a + b\n"
TESTS = {"tests": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"]}
CASES = {"cases": [{"stdin": "2 3\n", "stdout": "5\n"}, {"stdin": "1 1\n", "stdout": "2\n"}]}


def run(code: str, **options: Any) -> Ran:
    return run_code(textwrap.dedent(code), limits=QUICK, **options)


@pytest.mark.parametrize(
    "answer", [ADD, f"Here:\n```python\n{ADD}```\nIt adds.", f"<think>?</think>```\n{ADD}```"]
)
def test_right_code_passes_every_test(answer: str) -> None:
    verdict = CodeVerifier(limits=QUICK).verify(answer, TESTS)
    assert (verdict.reward, verdict.reason) == (1.0, "2 of 2 tests passed")


def test_half_right_code_earns_its_pass_rate_or_nothing() -> None:
    wrong = "def add(a, b):\n    return 5\n"
    verdict = CodeVerifier(limits=QUICK).verify(wrong, TESTS)
    assert (verdict.reward, verdict.reason) == (0.5, "1 of 2 tests passed: AssertionError")
    assert CodeVerifier(score="all", limits=QUICK).verify(wrong, TESTS).reward == 0


def test_programs_are_judged_by_what_they_print_outside_of_their_reach() -> None:
    program = "a, b = map(int, input().split())\nprint(a + b)"
    assert CodeVerifier(limits=QUICK).verify(program, CASES).reward == 1
    verdict = CodeVerifier(limits=QUICK).verify("print(5)", CASES)
    assert verdict.reward == 0.5
    assert "printed '5 '" in verdict.reason or "printed '5'" in verdict.reason


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "raise SystemExit",
        """import os
for d in range(3, 20):
    try: os.write(d, b'{"token": ""}\\n')
    except OSError: pass""",
        "syntax error here",
        "",
    ],
)
def test_code_that_ends_early_or_makes_up_a_report_has_not_passed(code: str) -> None:
    assert CodeVerifier(limits=QUICK).verify(code, TESTS).reward == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nwhile True: os.fork()", "PermissionError"),
        ("import subprocess; subprocess.run(['true'])", "PermissionError"),
        ("import os; os.execv('/bin/sh', ['sh'])", "PermissionError"),
        ("while True: pass", "CPU time"),
        ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "CPU time"),
        ("x = 'a' * (10 << 30)", "MemoryError"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", "MemoryError"),
        ("import socket; socket.socket()", "PermissionError"),
        ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "PermissionError"),
        ("import socket; socket.socket(socket.AF_UNIX)", "PermissionError"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')", "not permitted"),
        ("while True: print('x' * 100_000)", "printed more than"),
        ("import sys\nwhile True: sys.stderr.write('x' * 100_000)", "printed more than"),
        ("import os; os.kill(os.getppid(), 9)", "PermissionError"),
        ("import os; os.kill(-1, 9)", "PermissionError"),
        ("import os; os.killpg(0, 9)", "PermissionError"),
        ("import fcntl, os; fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", "PermissionError"),
        (
            "import fcntl, os, struct; fcntl.ioctl(1, 0x8901, struct.pack('i', os.getppid()))",
            "PermissionError",
        ),
        ("import os; open(f'/proc/{os.getppid()}/environ').read()", "PermissionError"),
        ("open('/proc/self/environ').read()", "PermissionError"),
        ("open('/etc/passwd').read()", "PermissionError"),
        ("import os; os.listdir('/')", "PermissionError"),
        ("open('/dev/shm/x', 'w')", "PermissionError"),
        ("import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0", "AssertionError"),
        ("import ctypes; assert ctypes.CDLL(None).setsid() > 0", "AssertionError"),
        ("import os; os.setuid(0); os.chown('.', 1, 1)", "Error"),
        ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))", "Error"),
        ("import training", "ModuleNotFoundError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_what_would_leave_the_sandbox_fails_inside_it(code: str, reason: str) -> None:
    ran = run(code)
    assert not ran.passed
    assert reason in ran.reason


def test_code_that_sleeps_is_ended_when_its_time_is_up() -> None:
    assert run_code("import time; time.sleep(60)", limits=BRIEF).reason == "took longer than 1.5 s"


def test_files_are_written_to_an_empty_directory_that_is_gone_afterwards() -> None:
    ran = run("import os\nprint(os.listdir('.'))\nopen('x', 'w').write('1')\nprint(os.path.abspath('x'))")
    if confine.SCRATCH in ran.missing:
        assert "PermissionError" in ran.reason
        return
    listed, path = ran.output.split()
    assert listed == "[]"
    assert not Path(path).exists()
    assert not Path(path).parent.exists()


def test_files_may_not_grow_beyond_their_bound_alone_or_together() -> None:
    one = run("f = open('a', 'wb')\nwhile True: f.write(b'x' * (1 << 20))")
    many = run("import itertools\nfor n in itertools.count(): open(str(n), 'wb').write(b'x' * 100_000)")
    assert "Error" in one.reason
    assert "Error" in many.reason


def test_the_environment_and_its_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush-hush")
    ran = run("import os, sys, gc\nprint(dict(os.environ), sys.path, sys.argv)")
    assert ran.passed
    assert "hush-hush" not in ran.output
    assert os.environ["HEADWATER_HOME"] not in ran.output


def test_a_listening_server_on_this_machine_is_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ran = run(f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)")
        assert not ran.passed
        with pytest.raises(TimeoutError):
            server.accept()


def test_nothing_runs_on_after_its_time() -> None:
    before = {process.pid for process in psutil.process_iter()}
    run_code(
        "import threading, time\nfor _ in range(8): threading.Thread(target=time.sleep, args=(60,)).start()",
        limits=BRIEF,
    )
    left = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before and is_sandbox(p)]
    assert not left


def test_code_dies_with_whoever_runs_it(tmp_path: Path) -> None:
    script = "from training.core.verifiers.confinement.sandbox import run_code as run\n"
    script += "run('import time; time.sleep(60)')"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[3], env=environment)
    deadline = time.monotonic() + 20
    while not (children := psutil.Process(parent.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # until it has shut itself in
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert gone
    assert not alive


def is_sandbox(process: psutil.Process) -> bool:
    return any("confinement/child.py" in part for part in process.info["cmdline"] or [])


def test_what_this_machine_cannot_give_is_said_and_without_the_essentials_nothing_is_run() -> None:
    """A kernel without Landlock, as the child would meet it: an older one answers with the same error."""
    script = textwrap.dedent(
        """
        import json, os
        from training.core.verifiers.confinement import confine, landlock, limits, seccomp
        landlock.CREATE_RULESET = 9999
        print(json.dumps(confine.confine(limits.Limits())))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"files": "Landlock: Function not implemented"' in done.stdout
    assert confine.FILES in confine.REQUIRED


def test_without_namespaces_the_sandbox_still_holds_and_says_what_is_gone(tmp_path: Path) -> None:
    """As in a container that permits none: the kernel refuses flags that it does not know in the same way."""
    script = textwrap.dedent(
        """
        import json, pathlib, socket, sys
        from training.core.verifiers.confinement import confine, limits, namespaces
        namespaces.NEW_USER = 1
        folder = pathlib.Path(sys.argv[1])
        missing = confine.confine(limits.Limits(), scratch=folder)
        for attempt in (socket.socket, (folder / "x").touch, pathlib.Path("/etc/passwd").read_text):
            try:
                attempt()
            except PermissionError:
                missing[str(len(missing))] = "refused"
        print(json.dumps(missing))
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    refused = {str(number): "refused" for number in (1, 2, 3)}
    assert json.loads(done.stdout) == {confine.SCRATCH: "namespaces: Invalid argument", **refused}


@pytest.mark.parametrize("text", ["\x00", "\ud800", "ü" * 1000, "(" * 100_000, "x = 1\n" * 200_000])
def test_no_answer_breaks_the_verifier(text: str) -> None:
    verdict = CodeVerifier(limits=QUICK).verify(text, {"tests": ["assert False"]})
    assert verdict.reward == 0
    assert verdict.reason


@pytest.mark.parametrize(
    "reference",
    [
        None,
        {},
        "assert True",
        {"tests": []},
        {"tests": [1]},
        {"cases": [{"stdin": "1"}]},
        {"tests": ["1"], "cases": []},
    ],
)
def test_a_reference_that_is_no_tests_is_refused(reference: object) -> None:
    with pytest.raises(VerifierError):
        CodeVerifier().check_reference(reference)

"""The demo from start to stop: supervise, wait for the page, start the flow, show how it goes."""

import signal
import threading
import time
import webbrowser
from types import FrameType
from typing import Protocol

import httpx
from django.db import DatabaseError

from playground.demo.engine_environment import EngineEnvironment
from playground.demo.errors import DemoError
from playground.demo.snapshot import Snapshot, take_snapshot
from playground.demo.supervisor import Supervisor
from training import services
from training.core.errors import RecipeError
from training.models import Flow

PAGE_WAIT_S = 90.0
LOOK_EVERY_S = 1.0
FLOW_NAME = "demo"


class View(Protocol):
    """What Screen and Lines have in common."""

    def show(self, snapshot: Snapshot) -> None: ...
    def say(self, line: str) -> None: ...


class StopSignal:
    """Set by Ctrl-C, SIGTERM or a closed terminal. Later ones change nothing: stopping is under way."""

    def __init__(self) -> None:
        self.event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.receive)

    def receive(self, number: int, frame: FrameType | None) -> None:
        self.event.set()

    def wait(self, seconds: float) -> bool:
        return self.event.wait(seconds)


def wait_for_page(supervisor: Supervisor, address: str, stop: StopSignal) -> bool:
    """Waits until the page answers. False where the person stopped it first. Raises DemoError."""
    deadline = time.monotonic() + PAGE_WAIT_S
    while not stop.wait(0.1):
        if answers(address):
            return True
        if supervisor.process.poll() is not None:
            raise DemoError(f"supervisord stopped at once: see {supervisor.home}/logs/supervisord.out")
        if time.monotonic() > deadline:
            raise DemoError(f"The page did not come up. The end of web.log:\n{supervisor.log_tail('web')}")
    return False


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def watch(supervisor: Supervisor, view: View, recipe: str, stop: StopSignal) -> None:
    """Shows the demo until it is told to stop, and keeps supervisord itself alive."""
    engine_environment = EngineEnvironment(supervisor)
    flow: Flow | None = None
    while True:
        if supervisor.revive():
            view.say("supervisord had died: everything was started again.")
        flow = flow or start_flow(recipe)
        notice = engine_environment.follow()
        view.show(take_snapshot(supervisor, flow, [notice] if notice else []))
        if stop.wait(LOOK_EVERY_S):
            return


def start_flow(recipe: str) -> Flow | None:
    """The demo's flow: begun on the first run, going on later; None while the database is away.

    Raises DemoError for a recipe that cannot be used.
    """
    try:
        return services.start_flow(name=FLOW_NAME, recipe=recipe)
    except RecipeError as error:
        raise DemoError(f"The flow cannot start: {error}") from error
    except DatabaseError:
        return None


def open_browser(address: str) -> None:
    """Opens the page in a thread: some browsers keep their caller waiting."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

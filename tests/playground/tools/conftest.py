"""A running MCP server, a checkpoint that can be offered functions, and answers that call them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.models import User
from playground.chat.threads import Prompt, create_thread
from playground.core.tools import Function
from playground.models import Message, MessageState, ToolServer
from tests.playground.conftest import register
from tests.playground.olmo3_templates import PUBLISHED
from tests.playground.tiny_model import model_config, write_text_files
from tests.sites import free_port
from training.models import Checkpoint

LEVEL = Function(
    "gauges.level", "How high?", {"type": "object", "properties": {"river": {}}, "required": ["river"]}
)
BROKEN = Function("gauges.broken", "It fails.")
SECRET = "a-river-of-secrets"
OWN = Function("add", "", {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]})


@pytest.fixture(scope="session")
def mcp_address() -> Iterator[str]:
    """The address of an MCP server in a process of its own."""
    yield from served()


@pytest.fixture(scope="session")
def guarded_address() -> Iterator[str]:
    """The address of one that answers only those who send SECRET."""
    yield from served(SECRET)


def served(*arguments: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("mcp_server.py")), str(port), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(600):
        with suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/mcp", trust_env=False)
            break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(10)


@pytest.fixture
def gauges(mcp_address: str, transactional_db: None) -> ToolServer:
    functions = [LEVEL.to_dict(), BROKEN.to_dict()]
    return ToolServer.objects.create(name="gauges", address=mcp_address, functions=functions)


@pytest.fixture
def model(home: Path, transactional_db: None) -> Checkpoint:
    """It has no weights: nothing is generated in these tests."""
    path = home / "checkpoints" / "caller-on-paper"
    path.mkdir(parents=True, exist_ok=True)
    write_text_files(path)
    model_config(64).save_pretrained(path)
    (path / "chat_template.jinja").write_text(PUBLISHED)
    (path / "model.safetensors").write_bytes(b"")
    return register("caller-on-paper", path)


Answered = Callable[..., Message]


@pytest.fixture
def answered(model: Checkpoint, ada: User) -> Answered:
    """Makes a finished answer with this text, in a chat of ada's that offers functions."""

    def make(text: str, *, owner: User = ada, **tools: Any) -> Message:
        offer = {"functions": [OWN.to_dict()], "servers": ["gauges"], "required": False} | tools
        prompt = Prompt("How high is the Aare?", model, {"temperature": 0.0, "max_tokens": 8, "tools": offer})
        _, answer = create_thread(owner=owner, session_key="", prompt=prompt)
        return finished(answer, text)

    return make


def finished(answer: Message, text: str) -> Message:
    Message.objects.filter(pk=answer.pk).update(state=MessageState.COMPLETE, raw_text=text)
    return Message.objects.select_related("thread", "parent", "checkpoint").get(pk=answer.pk)


def calling(*calls: str) -> str:
    lines = "\n".join(calls)
    return f"<think>They ask.</think>Let me see.\n<function_calls>{lines}</function_calls>"

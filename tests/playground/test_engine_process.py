"""Engine processes end with whoever started them, however that ends; and say why they do not start."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from playground.core.decoding import TokenDecoder
from playground.core.engine_client import EngineClient, GenerationRequest, Sampled
from playground.core.prompt import ChatFormat
from playground.core.sampling import SamplingParameters
from tests.playground.test_engine_serving import HELLO, greedy_reference
from training.core.errors import EngineStartError
from training.core.serving.engine_leftovers import end_leftovers
from training.core.serving.engine_process import EngineConfig, EngineProcess
from training.core.serving.model_files import dtype, kv_cache_bytes, weights_shape
from training.models import Checkpoint

Directories = dict[str, Path]


def wait_for(condition: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about")


@pytest.fixture(scope="module")
def transformers_engine(checkpoint_directories: Directories) -> Iterator[EngineProcess]:
    """`transformers serve`, as it runs where vLLM cannot be imported; in a directory of its own."""
    directory = settings.EMBEDDED_REDIS_SOCKET.parent / "other"
    config = EngineConfig(7, settings.ENGINE_PYTHON, directory, directory / "engine.log", kind="transformers")
    engine = EngineProcess(config)
    engine.start(checkpoint_directories["tiny-one"])
    wait_for(lambda: engine.is_healthy() or engine.has_ended(), "the engine")
    assert not engine.has_ended(), engine.last_words()
    engine.load(checkpoint_directories["tiny-one"])
    yield engine
    engine.stop()


def client_of(engine: EngineProcess, directory: Path) -> tuple[EngineClient, GenerationRequest]:
    chat = ChatFormat(directory)
    parameters = SamplingParameters(temperature=0)
    request = GenerationRequest(chat.prompt(HELLO).token_ids, parameters, 24, chat.end_ids)
    return EngineClient(engine.address, engine.kind, directory, chat.tokenizer), request


async def text_of(client: EngineClient, stream: AsyncIterator[Sampled]) -> str:
    decoder = TokenDecoder(client.tokenizer)
    pieces = [decoder.push(sampled.token_ids) async for sampled in stream]
    return "".join(piece.text for piece in [*pieces, decoder.finish()])


async def test_transformers_serves_where_vllm_cannot(
    transformers_engine: EngineProcess, checkpoint_directories: Directories
) -> None:
    assert transformers_engine.kind == "transformers"
    assert transformers_engine.reason
    for name in ("tiny-one", "tiny-two"):
        transformers_engine.load(checkpoint_directories[name])
        client, request = client_of(transformers_engine, checkpoint_directories[name])
        expected = client.tokenizer.decode(greedy_reference(Checkpoint(name=name), 24))[0]
        # It keeps the bytes of a character that the last token leaves incomplete.
        assert await text_of(client, client.sample(request)) == expected.rstrip("\ufffd")


async def test_transformers_stops_when_its_reader_leaves(
    transformers_engine: EngineProcess, checkpoint_directories: Directories
) -> None:
    """It answers one at a time, so the next answer shows that it is free."""
    client, request = client_of(transformers_engine, checkpoint_directories["tiny-one"])
    long = replace(request, max_tokens=900)
    async with aclosing(client.sample(long)) as stream:
        async for _ in stream:
            break
    assert [sampled async for sampled in client.sample(request)][-1].finish_reason == "length"


def test_leftovers_of_another_supervisor_are_ended_and_nothing_else(
    checkpoint_directories: Directories, tmp_path: Path
) -> None:
    config = EngineConfig(0, settings.ENGINE_PYTHON, tmp_path / "run", tmp_path / "log", kind="transformers")
    engine = EngineProcess(config)
    engine.start(checkpoint_directories["tiny-one"])
    wait_for(lambda: engine.kind, "the engine's report")
    assert end_leftovers(tmp_path / "elsewhere") == 0
    assert not engine.has_ended()
    assert end_leftovers(tmp_path / "run") == 1
    wait_for(engine.has_ended, "the end of the leftover")
    engine.stop()


def processes_of(home: Path) -> list[psutil.Process]:
    """Everything alive that was started for this HEADWATER_HOME."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("HEADWATER_HOME") == str(home)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def named(home: Path, name: str) -> list[psutil.Process]:
    return [process for process in processes_of(home) if name in " ".join(process.cmdline())]


class OtherHome:
    """A HEADWATER_HOME of its own, in which `manage.py engines` runs as a process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # SPT_NOENV: engines that rename themselves would overwrite the environment that they are found by.
        self.environ = {**os.environ, "HEADWATER_HOME": str(home), "SPT_NOENV": "1"}

    def manage(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "manage.py", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=settings.BASE_DIR, env=self.environ, **pipes)

    def states(self) -> list[str]:
        with closing(sqlite3.connect(self.home / "db.sqlite3")) as database:
            return [
                state for (state,) in database.execute("SELECT state FROM playground_engine ORDER BY slot")
            ]

    def add_checkpoint(self, directory: Path) -> None:
        shutil.copytree(directory, self.home / "checkpoints" / directory.name)
        code = (
            "from training.models import Checkpoint; Checkpoint.objects.create("
            f"name={directory.name!r}, stage='think-sft', step=1, steps=1, chat='chatml')"
        )
        assert self.manage("shell", "-c", code).wait() == 0


@pytest.fixture
def other_home(tmp_path: Path) -> Iterator[OtherHome]:
    other = OtherHome(tmp_path)
    assert other.manage("migrate", "-v", "0").wait() == 0
    yield other
    for process in processes_of(tmp_path):
        process.kill()


def test_nothing_outlives_the_supervisor_however_it_ends(
    other_home: OtherHome, checkpoint_directories: Directories
) -> None:
    other_home.add_checkpoint(checkpoint_directories["tiny-one"])
    supervisor = other_home.manage("engines")
    wait_for(lambda: named(other_home.home, "EngineCore"), "the engine's inner process")
    [launcher] = named(other_home.home, "launch_engine.py")
    assert other_home.states() == ["starting", "stopped"]

    second = other_home.manage("engines")
    assert second.wait() == 1
    assert "already serves" in second.communicate()[0]

    supervisor.kill()
    launcher.kill()
    supervisor.wait()
    wait_for(lambda: not processes_of(other_home.home), "the end of all processes")

    again = other_home.manage("engines")
    wait_for(lambda: named(other_home.home, "launch_engine.py"), "another engine")
    again.send_signal(signal.SIGTERM)
    assert again.wait() == 0
    assert processes_of(other_home.home) == []
    assert other_home.states() == ["stopped", "stopped"]


@pytest.fixture
def damaged(checkpoint_directories: Directories, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint_directories["tiny-one"], tmp_path / "damaged"))


def start_refused(model: Path, tmp_path: Path, python: Path = settings.ENGINE_PYTHON) -> str:
    engine = EngineProcess(EngineConfig(0, python, tmp_path / "run", tmp_path / "log"))
    with pytest.raises(EngineStartError) as refusal:
        engine.start(model)
    assert engine.pid is None
    return str(refusal.value)


def test_a_missing_engine_environment_is_said(checkpoint_directories: Directories, tmp_path: Path) -> None:
    message = start_refused(checkpoint_directories["tiny-one"], tmp_path, tmp_path / "no/python")
    assert "make engine" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", None),
        ("config.json", b'{"num_attention_heads": 0}'),
        ("model.safetensors", None),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", b"\x02" + b"\0" * 7 + b"[]"),
    ],
)
def test_damaged_checkpoints_are_refused_before_a_process_starts(
    damaged: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    (damaged / name).unlink()
    if content is not None:
        (damaged / name).write_bytes(content)
    assert "damaged" in start_refused(damaged, tmp_path) or name == "config.json"


def test_weights_fit_where_architecture_and_tokenizer_agree(
    checkpoint_directories: Directories, damaged: Path
) -> None:
    shapes = {name: weights_shape(directory) for name, directory in checkpoint_directories.items()}
    assert shapes["tiny-one"] == shapes["tiny-two"] != shapes["wide"]
    (damaged / "tokenizer.json").write_text("{}")
    assert weights_shape(damaged) != shapes["tiny-one"]


def test_the_cache_holds_eight_full_answers(checkpoint_directories: Directories) -> None:
    """Four layers of keys and values, 256 wide, 1,024 tokens, four bytes each."""
    directory = checkpoint_directories["wide"]
    assert dtype(directory) == "float32"
    assert kv_cache_bytes(directory) == 8 * 1024 * 2 * 4 * 256 * 4

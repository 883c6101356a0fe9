"""Two real engines share a model, one rests and is ended, and a request for another model brings it."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from playground.completions import Piece, SamplingParameters, Waiting, stream_completion
from playground.engines import want
from playground.models import Deployment, Engine, EngineState
from playground.supervisor import Supervisor
from tests.playground.conftest import generated_tokens, until
from training.core.serving.engine_process import EngineConfig
from training.models import Checkpoint

SLOTS = (1, 2)
LOADED_S = 240.0
ASKED = SamplingParameters(temperature=1, max_tokens=60, seed=3)


@pytest.fixture
def two_slots(checkpoints: dict[str, Checkpoint]) -> Iterator[Supervisor]:
    with tempfile.TemporaryDirectory() as run_directory:
        logs = settings.HOME / "logs"
        configs = [
            EngineConfig(slot, settings.ENGINE_PYTHON, Path(run_directory), logs / f"engine-{slot}.log")
            for slot in SLOTS
        ]
        supervisor, stop = Supervisor(configs), threading.Event()

        def run() -> None:
            supervisor.run(stop)
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        yield supervisor
        stop.set()
        thread.join()


def ready(*checkpoints: Checkpoint) -> bool:
    """Whether the engines that take answers hold these, one each."""
    held = Engine.objects.filter(state=EngineState.READY).values_list("checkpoint", flat=True)
    return sorted(held) == sorted(checkpoint.pk for checkpoint in checkpoints)


async def answer(checkpoint: Checkpoint, n: int = 0) -> tuple[int, list[str]]:
    """How many tokens it has, and what was waited for."""
    messages = [{"role": "user", "content": f"{n}. Hello there"}]
    events = [event async for event in stream_completion(checkpoint, messages, ASKED)]
    tokens = sum(len(event.token_ids) for event in events if isinstance(event, Piece))
    return tokens, [event.reason for event in events if isinstance(event, Waiting)]


async def test_engines_share_a_model_one_ends_when_it_rests_and_another_model_is_loaded_on_demand(
    two_slots: Supervisor, checkpoints: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, wide = checkpoints["tiny-one"], checkpoints["wide"]
    await asyncio.to_thread(want, one)
    await Deployment.objects.filter(checkpoint=one).aupdate(pinned=True, replicas=2)
    await until(lambda: ready(one, one), LOADED_S)

    answers = await asyncio.gather(*(answer(one, n) for n in range(8)))
    assert all(tokens > 0 and not waits for tokens, waits in answers)
    engines = [engine async for engine in Engine.objects.all()]
    assert all([await asyncio.to_thread(generated_tokens, engine) for engine in engines])

    await Deployment.objects.filter(checkpoint=one).aupdate(pinned=False, replicas=1)
    monkeypatch.setattr(settings, "UNLOAD_AFTER_S", 1)
    await until(lambda: ready(one), LOADED_S)
    await until(lambda: sum(slot.process.pid is None for slot in two_slots.slots.values()) == 1)

    tokens, waits = await answer(wide)
    assert tokens > 0
    assert any("wide" in reason for reason in waits)
    assert await asyncio.to_thread(ready, one, wide)
    tokens, waits = await answer(one)
    assert tokens > 0
    assert not waits

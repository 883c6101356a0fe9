"""One engine process: started on a checkpoint, watched, given other checkpoints while it runs, stopped."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from training.core.errors import EngineStartError
from training.core.serving import model_files
from training.core.serving.engine_leftovers import LAUNCHER, end_group

SERVED_NAME = "headwater"
HEALTH_TIMEOUT_S = 10.0
LOAD_TIMEOUT_S = 600.0
RESET_TRIES = 50
GRACE_S = 6.0
LOG_BYTES = 10 * 2**20


@dataclass(frozen=True)
class EngineConfig:
    """Where and how one engine runs.

    slot: its number on this node. python: the engine environment's interpreter. run_directory: private, with
    a path short enough for a Unix socket in it (103 bytes at most, its name included). log: all that it
    prints. threads: CPU threads. memory_share: of a GPU's memory, at most. kind: "auto" takes vLLM where it
    can be imported, else `transformers serve`. adapter_rank: the highest rank of LoRA adapters that it takes
    (8, 16, 32, 64, ...), each computed as one of that rank; 0: it takes none, and is faster.
    """

    slot: int
    python: Path
    run_directory: Path
    log: Path
    threads: int = 1
    memory_share: float = 0.4
    kind: str = "auto"
    adapter_rank: int = 0

    @property
    def socket(self) -> Path:
        return self.run_directory / f"engine-{self.slot}.sock"

    @property
    def report(self) -> Path:
        return self.run_directory / f"engine-{self.slot}.json"


class EngineProcess:
    """A process and what it holds. All methods are for one thread at a time."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.model: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self.config.socket}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def kind(self) -> str:
        """vllm or transformers; empty until the process has found out."""
        return str(self._report().get("kind", ""))

    @property
    def reason(self) -> str:
        """Why it is not vLLM; empty if it is."""
        return str(self._report().get("reason", ""))

    def start(self, model: Path) -> None:
        """Start the process; it is ready once `is_healthy`. EngineStartError where it cannot be started."""
        command = self._command(model)
        self._clear_files()
        with self._open_log() as log:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
                )
            except OSError as error:
                raise EngineStartError(
                    f"{self.config.python} cannot be started ({error.strerror}): run `make engine`."
                ) from error
        self.model = model

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def is_healthy(self, timeout_s: float = HEALTH_TIMEOUT_S) -> bool:
        """Whether it answers, with its checkpoint loaded."""
        try:
            with self._client(timeout_s) as client:
                return client.get("/health").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def load(self, model: Path) -> None:
        """Replace the weights in place. Nothing may be generating. EngineStartError leaves it unusable."""
        try:
            with self._client(LOAD_TIMEOUT_S) as client:
                if self.kind == "vllm":
                    self._reload_vllm(client, model)
                else:
                    self._load_transformers(client, model)
        except httpx.HTTPError as error:
            raise EngineStartError(
                f"Engine {self.config.slot} could not load {model.name}: {error}"
            ) from error
        self.model = model

    def ask_to_stop(self) -> None:
        if self._process and not self.has_ended():
            self._process.terminate()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End it and everything that it started, kindly first."""
        if self._process is None:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        end_group(self._process.pid)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = self.model = None
        self._clear_files()

    def last_words(self, lines: int = 3) -> str:
        """What it printed last that looks like a reason, on one line."""
        try:
            with self.config.log.open("rb") as log:
                log.seek(max(0, self.config.log.stat().st_size - 20_000))
                tail = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        reasons = [line for line in tail if "Error" in line and "Traceback" not in line]
        return " | ".join(line.strip()[-300:] for line in (reasons or tail)[-lines:])

    def _command(self, model: Path) -> list[str]:
        config = self.config
        if not config.python.exists():
            raise EngineStartError(f"{config.python} does not exist: run `make engine`.")
        model_files.weights_shape(model)  # a damaged checkpoint is refused here, with a reason
        options = {
            "kind": config.kind,
            "model": model,
            "served-name": SERVED_NAME,
            "socket": config.socket,
            "report": config.report,
            "dtype": model_files.dtype(model),
            "kv-cache-bytes": model_files.kv_cache_bytes(model),
            "memory-share": round(config.memory_share, 3),
            "threads": config.threads,
            "adapter-rank": config.adapter_rank,
        }
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return [str(config.python), "-P", str(LAUNCHER), *flags]

    def _open_log(self) -> IO[bytes]:
        log = self.config.log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return log.open("ab")

    def _clear_files(self) -> None:
        self.config.run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.config.socket.unlink(missing_ok=True)
        self.config.report.unlink(missing_ok=True)

    def _client(self, timeout_s: float) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.config.socket), verify=False)
        return httpx.Client(transport=transport, base_url="http://engine", timeout=timeout_s)

    def _reload_vllm(self, client: httpx.Client, model: Path) -> None:
        call = {"method": "reload_weights", "kwargs": {"weights_path": str(model)}}
        client.post("/collective_rpc", json=call).raise_for_status()
        # Refused while an abandoned answer still holds blocks, which takes a moment.
        for _ in range(RESET_TRIES):
            if client.post("/reset_prefix_cache").raise_for_status().json()["success"]:
                return
            time.sleep(0.1)
        raise EngineStartError(
            f"Engine {self.config.slot} kept {self.model}'s cache when it took {model.name}."
        )

    def _load_transformers(self, client: httpx.Client, model: Path) -> None:
        """It tells its progress in events; a failure is one of them."""
        response = client.post("/load_model", json={"model": str(model)}).raise_for_status()
        events = [json.loads(line[5:]) for line in response.text.splitlines() if line.startswith("data:")]
        errors = [event.get("message", "") for event in events if event.get("status") == "error"]
        if errors:
            raise EngineStartError(f"Engine {self.config.slot} could not load {model.name}: {errors[0]}")

    def _report(self) -> dict[str, object]:
        try:
            return dict(json.loads(self.config.report.read_text()))
        except (OSError, ValueError):
            return {}


if sys.platform != "linux":  # pragma: no cover
    raise ImportError("Engines run on Linux: ending them with their parent needs prctl.")

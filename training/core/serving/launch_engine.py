"""Runs an engine: vLLM, or `transformers serve` where vLLM cannot be imported. Ends with its parent.

Started by engine_process.py with the engine environment's Python, as a file: it imports nothing of Headwater.
Its standard input is a pipe that its parent holds open; the end of that pipe is the end of the engine.
"""

import argparse
import ctypes
import functools
import importlib.metadata
import json
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
# Before anything is imported that reads them. No threads are bound to cores: several engines share them.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_SERVER_DEV_MODE": "1",  # /collective_rpc and /reset_prefix_cache, on a socket that only we can open
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the process that schedules also computes
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",  # on the same socket
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


def end_with_parent() -> None:
    """A thread that kills this process and all that it started as soon as the parent is gone."""

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


def end_with_starter() -> None:
    """Run in processes that vLLM starts: the kernel kills them when the one that started them is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_forks_with_starter() -> None:
    starter = [os.getpid()]

    def in_child() -> None:
        end_with_starter()
        if os.getppid() != starter[0]:
            os._exit(1)

    os.register_at_fork(before=lambda: starter.__setitem__(0, os.getpid()), after_in_child=in_child)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["auto", "vllm", "transformers"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--served-name", required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--kv-cache-bytes", required=True)
    parser.add_argument("--memory-share", required=True)
    parser.add_argument("--threads", required=True)
    parser.add_argument("--adapter-rank", required=True)
    parser.add_argument("--port", default="", help="listen on this loopback port instead, for benchmarks")
    return parser.parse_args()


def why_not_vllm() -> str:
    """Empty where vLLM can be used; else the reason, on one line."""
    name_the_cpu_build()
    try:
        import_module("vllm.engine.arg_utils")
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def name_the_cpu_build() -> None:
    """The build for CPUs is distributed as vllm-cpu; vLLM looks for `vllm`, and for "cpu" in its version."""
    version = importlib.metadata.version
    try:
        version("vllm")
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        return
    try:
        known = version("vllm-cpu") + "+cpu"
    except importlib.metadata.PackageNotFoundError:
        return
    metadata: Any = importlib.metadata
    metadata.version = lambda name: known if name == "vllm" else version(name)


def report(path: Path, kind: str, reason: str) -> None:
    """Tells the parent what is being started, and why not vLLM if it is not."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"kind": kind, "reason": reason}))
    partial.replace(path)


def run_vllm(options: argparse.Namespace) -> None:
    on_cpu = import_module("vllm.platforms").current_platform.is_cpu()
    if on_cpu and options.threads == "1":
        fork_engine_core()
    memory = ["--kv-cache-memory-bytes", options.kv_cache_bytes]
    memory += [] if on_cpu else ["--gpu-memory-utilization", options.memory_share]
    place = ["--host", "127.0.0.1", "--port", options.port] if options.port else ["--uds", options.socket]
    sys.argv = ["vllm", "serve", options.model, *map(str, place), *memory]
    sys.argv += ["--served-model-name", options.served_name, "--dtype", options.dtype]
    sys.argv += ["--generation-config", "vllm", "--enforce-eager", "--disable-uvicorn-access-log"]
    sys.argv += adapter_flags(options.adapter_rank)
    import_module("vllm.entrypoints.cli.main").main()


def adapter_flags(rank: str) -> list[str]:
    """So many adapters in one batch, and so many kept in memory; more are read again when they are asked."""
    if rank == "0":
        return []
    return ["--enable-lora", "--max-lora-rank", rank, "--max-loras", "4", "--max-cpu-loras", "16"]


def fork_engine_core() -> None:
    """On one CPU thread the process that computes is forked: it need not import everything again.

    Measured on 2 cores: 11 s and 0.9 GB an engine instead of 46 s and 1.5 GB. With more threads OpenMP's pool
    does not survive a fork, and vLLM's own way (spawn) stays.
    """
    platform = import_module("vllm.platforms.cpu").CpuPlatform
    configure = platform.check_and_update_config.__func__

    def configure_to_fork(cls: type, config: object) -> None:
        configure(cls, config)
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"

    platform.check_and_update_config = classmethod(configure_to_fork)


def run_transformers(options: argparse.Namespace) -> None:
    """`transformers serve` knows only host and port; uvicorn prefers a socket where it is given one."""
    uvicorn: Any = import_module("uvicorn")
    uvicorn.Config = functools.partial(uvicorn.Config, uds=str(options.socket))
    serve = import_module("transformers.cli.serve").Serve
    serve(device="auto", dtype=options.dtype, model_timeout=600)


def main() -> None:
    os.umask(0o077)
    end_with_parent()
    end_forks_with_starter()
    options = arguments()
    os.environ.update(ENVIRONMENT, OMP_NUM_THREADS=options.threads)
    reason = "" if options.kind == "vllm" else why_not_vllm() if options.kind == "auto" else "asked for"
    if options.kind == "vllm":
        name_the_cpu_build()
    report(options.report, "transformers" if reason else "vllm", reason)
    run_transformers(options) if reason else run_vllm(options)


if __name__ == "__mp_main__":
    end_with_starter()
elif __name__ == "__main__":
    main()

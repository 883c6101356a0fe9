"""The line that every figure carries: when and on what it was measured."""

import datetime
import os
import platform
from pathlib import Path

import psutil

RESULTS = Path(__file__).resolve().parent / "results"


def describe() -> str:
    """Date, processor, cores, memory and Python of this machine."""
    memory_gb = psutil.virtual_memory().total / 2**30
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    cores = os.cpu_count()
    return f"{today}, {processor()}, {cores} cores, {memory_gb:.0f} GiB, Python {platform.python_version()}"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def keep(name: str, text: str, directory: Path = RESULTS) -> Path:
    """Writes a result beside the earlier ones: results/<date>-<name>.md."""
    directory.mkdir(exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = directory / f"{today}-{name}.md"
    path.write_text(text)
    return path

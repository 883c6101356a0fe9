"""Names of worker attempts: which host and process hold a job, and whether that process still lives."""

import os
import socket
import uuid

import psutil

SAME_START_S = 5.0
"""Start times of one process differ by a second or so between readings, as the clock is adjusted."""


def new_name() -> str:
    """A name for one attempt: host and PID namespace, process id and its start time, and a random part."""
    process = psutil.Process()
    return f"{host()} {process.pid} {process.create_time():.2f} {uuid.uuid4().hex[:12]}"


def host() -> str:
    """This host. Containers may share its name but not its process ids, hence the namespace's number."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}"


def is_dead(name: str) -> bool:
    """Whether the process of that attempt ran on this host and does no more. False for other hosts."""
    parts = name.split(" ")
    if len(parts) != 4 or parts[0] != host():
        return False
    try:
        process = psutil.Process(int(parts[1]))
        is_another = abs(process.create_time() - float(parts[2])) > SAME_START_S
        return is_another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

"""Where a job's saved state lies, for those who only want to know whether there is one."""

from pathlib import Path

STATE = "state.pt"
PARTIAL_STATE = "state.pt.partial"
PARTS = "state-"
PARTIAL_PARTS = "partial-state-"
COMPLETE = ".metadata"  # the file that torch.distributed.checkpoint writes last


def newest_state(folder: Path) -> Path | None:
    """The saved state of the job in `folder`, of one process or of several; the later one where a kill left
    both."""
    found = {folder / STATE: folder / STATE}
    found |= {parts: parts / COMPLETE for parts in folder.glob(f"{PARTS}*")}
    times = {path: mark.stat().st_mtime_ns for path, mark in found.items() if mark.is_file()}
    return max(times, key=lambda path: times[path], default=None)

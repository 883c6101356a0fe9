"""Reading a job's events.jsonl while its child process writes it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass
class EventReader:
    """Events from a byte offset on. A last line without its newline is left for the next call; a line that
    a killed process broke off is skipped."""

    path: Path
    offset: int = 0

    def new_events(self) -> Iterator[Event]:
        """The complete events after `offset`, which moves behind each one as it is handed out."""
        for line in self.new_lines():
            event = parse(line)
            if event is not None:
                yield event

    def new_lines(self) -> Iterator[bytes]:
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                yield line


def parse(line: bytes) -> Event | None:
    """One line as an event, or None where it is not one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None

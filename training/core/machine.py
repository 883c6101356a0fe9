"""What the machine that a job runs on offers it, beside the job's own configuration: JOB_DIR/machine.json.

Written anew at each attempt by whoever starts the process, and readable by its owner only: the judge's key is
in it. A job without one has neither an engine nor a judge.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from training.core.errors import RecipeError
from training.core.verifiers.judge import Endpoint

FILE = "machine.json"


@dataclass(frozen=True)
class Machine:
    """engine_python: the interpreter of the engine environment, "" for none. run_directory: private, with a
    path short enough for a Unix socket in it. judge: who grades answers."""

    engine_python: str = ""
    run_directory: str = ""
    judge: Endpoint | None = None


def write_machine(folder: Path, machine: Machine) -> None:
    partial = folder / f"{FILE}.partial"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(machine), file)
    partial.replace(folder / FILE)


def read_machine(folder: Path) -> Machine:
    """Raises RecipeError for a file that cannot be read."""
    try:
        fields = json.loads((folder / FILE).read_text("utf-8"))
        judge = Endpoint(**fields["judge"]) if fields["judge"] else None
        return Machine(str(fields["engine_python"]), str(fields["run_directory"]), judge)
    except FileNotFoundError:
        return Machine()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{folder / FILE} cannot be read ({error}): start the job again") from error

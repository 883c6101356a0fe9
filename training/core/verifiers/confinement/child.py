"""The confined process that runs what a model wrote: `python -I -S child.py JOB_FD REPORT_FD`, in an empty
directory and an empty environment.

The job is JSON: `limits`, `code`, and `test`, Python that is run after it (empty for none). The report is two
lines of JSON: the protections that are missing, and then, only if the code and the test ended without an
exception, the job's `token`. Code that ends the process early has therefore not passed.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


def main(job_descriptor: int, report_descriptor: int) -> None:
    with os.fdopen(job_descriptor) as file:
        job = json.load(file)
    missing = shut_in(job["limits"])
    tell(report_descriptor, {"missing": missing})
    if missing.keys() & set(job["required"]):
        return
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(job["code"], "answer.py", "exec"), space)
    if job["test"]:
        exec(compile(job["test"], "test.py", "exec"), space)
    sys.stdout.flush()
    tell(report_descriptor, {"token": job["token"]})


def shut_in(limits: dict[str, Any]) -> dict[str, str]:
    """Confine this process to its working directory; the modules that do it are out of reach afterwards."""
    sys.path.insert(0, str(ROOT))
    from training.core.verifiers.confinement.confine import confine
    from training.core.verifiers.confinement.limits import Limits

    missing = confine(Limits(**limits), scratch=Path.cwd())
    sys.path.pop(0)
    for name in [name for name in sys.modules if name.split(".")[0] == "training"]:
        del sys.modules[name]
    return missing


def tell(descriptor: int, fact: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(fact).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

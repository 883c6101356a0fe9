"""`python -m benchmarks [NAME ...]`: runs those benchmarks, or all, each in a process of its own."""

import subprocess
import sys
from pathlib import Path


def names() -> list[str]:
    """Benchmarks are the modules here with a main(); those called *_child are started by others.

    `corpora` has none: it makes the stores that others measure on, in advance if you like.
    """
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return [
        m.stem
        for m in modules
        if m.stem != "__main__" and not m.stem.endswith("_child") and "def main() -> None:" in m.read_text()
    ]


def main() -> int:
    for name in sys.argv[1:] or names():
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

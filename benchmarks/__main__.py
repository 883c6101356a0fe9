"""`python -m benchmarks [NAME ...]`: runs those benchmarks, or all, each in a process of its own."""

import subprocess
import sys
from pathlib import Path


def names() -> list[str]:
    """Benchmarks are the modules and packages here with a main(); those called *_child are started by others.

    `corpora` has none: it makes the stores that others measure on, in advance if you like.
    """
    here = Path(__file__).parent
    modules = {module.stem: module for module in here.glob("*.py") if module.stem != "__main__"}
    modules |= {module.parent.name: module for module in here.glob("*/__main__.py")}
    return [
        name
        for name, module in sorted(modules.items())
        if not name.endswith("_child") and "def main() -> None:" in module.read_text()
    ]


def main() -> int:
    for name in sys.argv[1:] or names():
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

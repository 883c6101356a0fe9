"""infini-gram's own indexer, as people run it."""

import resource
import subprocess
import sys
from pathlib import Path


def run_infini_gram_indexer(data: Path, save: Path, kind: str) -> None:
    """Index the JSON lines in `data`, as bytes; or the token files that are in `save`, if there are some."""
    limit = str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    command = [sys.executable, "-m", "infini_gram.indexing", "--data_dir", data, "--save_dir", save]
    command += ["--token_dtype", kind, "--add_metadata", "--add_unigram", "--ulimit", limit]
    subprocess.run([*map(str, command), "--cpus", "1", "--mem", "1"], check=True, capture_output=True)

"""How fast a corpus becomes an index, beside infini-gram's indexer on the same JSON lines and tokenizer.

`python -m benchmarks.build [--megabytes N] [--cpus 1 2] [--repeat N]` writes JSON lines of the Python source
of the standard library and of what is installed, trains a byte-level BPE on a part of it, and has both
index it as commands: `manage.py import_corpus --processes N` and `python -m infini_gram.indexing --cpus N`
with metadata and counts, on N cores. Both start from nothing and end with files; the tables are compared.
"""

import argparse
import datetime
import filecmp
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks import machine

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT_CHARACTERS = 4000
THEIR_TOKENIZER = "allenai/OLMo-7B"
"""What its indexer loads for --tokenizer olmo: a folder of this name in the current directory."""


def main() -> None:
    """Measure, print the table, and keep it."""
    options = parse()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        report = measure(Path(directory), options)
    text = f"{table(report)}\n```json\n{json.dumps(report, indent=1)}\n```\n"
    print(text)
    print(f"Kept in {machine.keep('build', text)}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=30, help="size of the text (default 30)")
    parser.add_argument("--cpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=2, help="runs of each, taken in turn (default 2)")
    parser.add_argument("--vocabulary", type=int, default=16_384)
    parser.add_argument("--directory", help="where to build; removed afterwards")
    return parser.parse_args()


def measure(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and CPU seconds of each run, and whether the files are the same."""
    prepare(directory, options)
    cores = sorted(os.sched_getaffinity(0))
    runs = []
    for cpus in [n for n in options.cpus if n <= len(cores)]:
        for _ in range(options.repeat):
            for name, command in commands(directory, cpus).items():
                runs.append({"name": name, "cpus": cpus, **run(directory, name, command, cores[:cpus])})
    tokens = json.loads((directory / "headwater" / "manifest.json").read_text())["tokens"]
    return {
        "benchmark": "build",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "tokens": tokens,
        "text_bytes": options.megabytes * 1_000_000,
        "same_files": {name: same(directory, name) for name in ("tokenized.0", "table.0", "unigram.0")},
        "runs": runs,
    }


def prepare(directory: Path, options: argparse.Namespace) -> None:
    """The JSON lines, and the tokenizer in both programs' places."""
    corpus, tokenizer = directory / "corpus", directory / "cwd" / THEIR_TOKENIZER
    for folder in (corpus, tokenizer):
        folder.mkdir(parents=True)
    size = 0
    with (corpus / "part.jsonl").open("w") as lines:
        for row in rows():
            if (size := size + len(row["text"])) > options.megabytes * 1_000_000:
                break
            lines.write(json.dumps(row) + "\n")
    train_tokenizer(options.vocabulary).save(str(tokenizer / "tokenizer.json"))
    (tokenizer / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')


def rows() -> Iterator[dict[str, str]]:
    """Pieces of whole lines of every module of the standard library, then of what is installed."""
    paths = sysconfig.get_paths()
    for root in (Path(paths["stdlib"]), Path(paths["purelib"])):
        for path in sorted(root.rglob("*.py")):
            lines = path.read_text(errors="replace").splitlines(keepends=True)
            name, part = str(path.relative_to(root)), ""
            for number, line in enumerate(lines, start=1):
                part += line
                if len(part) > DOCUMENT_CHARACTERS or number == len(lines):
                    yield {"text": part, "id": f"{name}:{number}", "title": path.name}
                    part = ""


def train_tokenizer(vocabulary: int) -> Tokenizer:
    """A byte-level BPE with GPT-2's pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((row["text"] for row in islice(rows(), 0, 4000, 4)), trainer)
    return tokenizer


def commands(directory: Path, cpus: int) -> dict[str, list[str]]:
    """What is typed, to build into directory/NAME."""
    tokenizer = directory / "cwd" / THEIR_TOKENIZER
    ours = ["import_corpus", "benchmark", directory / "corpus", "--tokenizer", tokenizer, "--processes", cpus]
    ours += ["--stage", "pretrain", "--licence", "PSF-2.0", "--output", directory / "headwater"]
    theirs = ["--data_dir", directory / "corpus", "--save_dir", directory / "infini-gram", "--cpus", cpus]
    theirs += ["--tokenizer", "olmo", "--token_dtype", "u16", "--add_metadata", "--add_unigram", "--mem", 4]
    theirs += ["--ulimit", resource.getrlimit(resource.RLIMIT_NOFILE)[1]]
    return {
        "headwater": [sys.executable, str(ROOT / "manage.py"), *map(str, ours)],
        "infini-gram": [sys.executable, "-m", "infini_gram.indexing", *map(str, theirs)],
    }


def run(directory: Path, name: str, command: list[str], cores: list[int]) -> dict[str, float]:
    """Wall and CPU seconds of a command, its children included, on these cores."""
    shutil.rmtree(directory / name, ignore_errors=True)
    environment = {**os.environ, "HEADWATER_HOME": str(directory / "home"), "HF_HUB_OFFLINE": "1"}
    load, before, began = (
        os.getloadavg()[0],
        resource.getrusage(resource.RUSAGE_CHILDREN),
        time.perf_counter(),
    )
    subprocess.run(
        command,
        cwd=directory / "cwd",
        env=environment,
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "load_average": round(load, 1)}


def same(directory: Path, name: str) -> bool:
    """Whether both wrote the same bytes."""
    return filecmp.cmp(directory / "headwater" / name, directory / "infini-gram" / name, shallow=False)


def table(report: dict[str, Any]) -> str:
    """The medians as a Markdown table."""
    versions = f"infini-gram {version('infini-gram')}"
    identical = ", ".join(
        f"{name}: {'same' if same else 'DIFFERS'}" for name, same in report["same_files"].items()
    )
    lines = [
        "# Building an index: tokens a second, from JSON lines to a checked directory",
        f"{report['machine']}. {report['tokens']:,} tokens. {versions}; {identical}.",
        "Where the load is higher than the cores, CPU seconds are the fairer figure.\n",
        "| cores | builder | s | CPU s | tokens/s | tokens/CPU s | load before |",
        "|---|---|---|---|---|---|---|",
    ]
    for cpus in sorted({run["cpus"] for run in report["runs"]}):
        ours, theirs = (
            {key: median(report, name, cpus, key) for key in ("wall_s", "cpu_s", "load_average")}
            for name in ("headwater", "infini-gram")
        )
        for name, found in (("headwater", ours), ("infini-gram", theirs)):
            rates = [f"{report['tokens'] / found[key]:,.0f}" for key in ("wall_s", "cpu_s")]
            figures = [found["wall_s"], found["cpu_s"], *rates, found["load_average"]]
            lines.append(f"| {cpus} | {name} | {' | '.join(map(str, figures))} |")
        ratios = [f"{theirs[key] / ours[key]:.1f}" for key in ("wall_s", "cpu_s")]
        lines.append(f"| {cpus} | **times as fast** | | | **{ratios[0]}** | **{ratios[1]}** | |")
    return "\n".join(lines) + "\n"


def median(report: dict[str, Any], name: str, cpus: int, key: str) -> float:
    found = [run[key] for run in report["runs"] if (run["name"], run["cpus"]) == (name, cpus)]
    return round(statistics.median(found), 2)


if __name__ == "__main__":
    main()

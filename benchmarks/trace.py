"""How long a trace of a 500-token text takes, beside infini-gram's engine on the same files.

`python -m benchmarks.trace [--tokens N] [--texts N] [--json FILE]` builds a store of real text (the
Python standard library) and seeded synthetic text with repeats, traces texts stitched from it, and
prints a table and one JSON object with the date and the machine. One core; everything warm.
"""

import argparse
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks import machine
from tracing.core.building.writer import StoreWriter
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import SpanOptions, maximal_spans
from tracing.core.matching.warm_up import warm_up
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import Tracer, TraceRequest

TEXT_TOKENS = 500
VOCABULARY = 4096
ENGINE_SECONDS = 120  # infini-gram traces fewer texts where it is slower than this for all
MAX_COUNTS = {"infini-gram attribute, max_cnt 1e6": 10**6, "infini-gram attribute, max_cnt 10": 10}

Ids = NDArray[np.int64]


def main() -> None:
    """Measure, print the table, and keep it with the JSON beside earlier results."""
    options, place = parse(), {"machine": machine.describe(), "load_average": round(os.getloadavg()[0], 1)}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        report = place | measure(Path(directory), options)
    text = f"{table(report)}\n```json\n{json.dumps(report, indent=1)}\n```\n"
    print(text)
    if options.json:
        Path(options.json).write_text(json.dumps(report) + "\n")
    print(f"Kept in {machine.keep('trace', text)}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=2_000_000, help="size of the store (default 2,000,000)")
    parser.add_argument("--texts", type=int, default=100, help="texts to trace (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic text and of the traced texts")
    parser.add_argument("--directory", help="where to build the store; it is removed afterwards")
    parser.add_argument("--json", help="file to write the figures to, for programs")
    return parser.parse_args()


def measure(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures, of a store built in `directory`."""
    rng = np.random.default_rng(options.seed)
    tokenizer = train_tokenizer(directory)
    began = time.perf_counter()
    store = build_store(directory / "store", tokenizer, options.tokens, rng)
    build_s = time.perf_counter() - began
    texts = [stitched_text(store, rng) for _ in range(options.texts)]
    rows, spans = measure_ours(store, tokenizer, texts)
    engine_rows, engine_spans = measure_infini_gram(store.path, texts)
    same = None if engine_spans is None else engine_spans == spans[: len(engine_spans)]
    return {
        "benchmark": "trace",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "store": describe(store, build_s),
        "text_tokens": TEXT_TOKENS,
        "ms": {**rows, **engine_rows},
        "same_spans_and_counts": same,
    }


def train_tokenizer(directory: Path) -> TextTokenizer:
    """A byte-level BPE of 4096 entries, digits apart, trained on a tenth of the library."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((text for _, text in list(library())[::10]), trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    return TextTokenizer.open(directory)


def library() -> Iterator[tuple[str, str]]:
    """Name and text of every module of the standard library, tests left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if not {"site-packages", "test", "tests"} & set(path.parts):
            yield str(path.relative_to(root)), path.read_text(errors="replace")


def build_store(path: Path, tokenizer: TextTokenizer, tokens: int, rng: np.random.Generator) -> TokenStore:
    """Up to half real text, the rest synthetic; published at `path`."""
    with StoreWriter(
        path,
        name="benchmark",
        tokenizer=tokenizer.digest,
        dtype="u16",
        stage="pretrain",
        source="standard library, synthetic",
        licence="PSF-2.0",
    ) as writer:
        written = 0
        for name, text in library():
            if written >= tokens // 2:
                break
            ids = tokenizer.encode(text)[0][: tokens // 2 - written]
            writer.add(ids, {"id": name, "source": f"{name}:1", "title": name})
            written += len(ids)
        for number, document in enumerate(synthetic(tokens - written, tokenizer, rng)):
            writer.add(document, {"id": f"synthetic-{number}", "source": "seeded Zipf", "title": str(number)})
        writer.publish()
    return TokenStore.open(path)


def synthetic(tokens: int, tokenizer: TextTokenizer, rng: np.random.Generator) -> Iterator[Ids]:
    """Documents of Zipf-distributed tokens of plain text, a third of each copied from documents before it."""
    pieces = tokenizer.pieces(range(tokenizer.vocab_size))
    words = rng.permutation([token for token, piece in enumerate(pieces) if piece.isascii()])
    pool: Ids = np.zeros(0, dtype=np.int64)
    while tokens > 0:
        parts = []
        for _ in range(int(rng.integers(2, 40))):
            if pool.size > 100 and rng.random() < 1 / 3:
                start = int(rng.integers(0, pool.size - 60))
                parts.append(pool[start : start + int(rng.integers(5, 60))])
            else:
                parts.append(words[rng.zipf(1.2, 30).clip(max=1 << 20) % words.size])
        document = np.concatenate(parts)[:tokens]
        tokens -= document.size
        pool = np.concatenate([pool, document])[-200_000:]
        yield document


def stitched_text(store: TokenStore, rng: np.random.Generator) -> list[int]:
    """500 ids as an answer has them: runs of 2 to 60 tokens from documents, one after the other."""
    text: list[int] = []
    while len(text) < TEXT_TOKENS:
        ids = store.token_ids(int(rng.integers(0, store.documents)))
        start, size = int(rng.integers(0, max(1, ids.size))), int(rng.integers(2, 60))
        text += ids[start : start + size].tolist()
    return text[:TEXT_TOKENS]


def measure_ours(
    store: TokenStore, tokenizer: TextTokenizer, texts: list[list[int]]
) -> tuple[dict[str, Any], list[dict[str, int]]]:
    """Times of matching, of whole traces and of live tokens; and the maximal spans of each text."""
    warm_up()
    tracer = Tracer([store], tokenizer)
    requests = [TraceRequest(token_ids=text) for text in texts]
    spans = [match(tracer.corpus(), text) for text in texts]
    rows = {
        "matching: maximal spans and counts": timed(lambda text: match(tracer.corpus(), text), texts),
        "whole trace: spans, documents, ranks": timed(tracer.trace, requests, warm=True),
        "live, per token": live_times(tracer, texts),
    }
    return rows, spans


def match(corpus: Corpus, text: list[int]) -> dict[str, int]:
    """The maximal spans of a text, "start:stop", with their counts."""
    query = corpus.query(text)
    with corpus.reading():
        spans = maximal_spans(corpus.longest_matches(query))
        starts, stops = np.array(spans, dtype=np.int64).reshape(-1, 2).T.copy()
        counts = corpus.find(query, starts, stops).counts.sum(axis=0).tolist()
    return {f"{start}:{stop}": count for (start, stop), count in zip(spans, counts, strict=True)}


def timed(function: Callable[[Any], object], inputs: list[Any], *, warm: bool = False) -> dict[str, Any]:
    """Milliseconds a call, after a first round if it has not been warmed before."""
    for value in inputs if warm else ():
        function(value)
    return summary([elapsed_ms(function, value) for value in inputs])


def elapsed_ms(function: Callable[[Any], object], value: Any) -> tuple[float, float]:
    """Wall time and processor time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function(value)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def live_times(tracer: Tracer, texts: list[list[int]]) -> dict[str, Any]:
    """Milliseconds a token, pushed one by one."""
    times = []
    for text in texts[:20]:
        live = tracer.live(SpanOptions())
        times += [elapsed_ms(live.push, [token]) for token in text]
    return summary(times)


def measure_infini_gram(
    store: Path, texts: list[list[int]]
) -> tuple[dict[str, Any], list[dict[str, int]] | None]:
    """infini-gram's times and, if it survived, its spans; in a child process, since it may crash."""
    rows: dict[str, Any] = {}
    spans = None
    for name, max_count in MAX_COUNTS.items():
        command = [sys.executable, "-m", "benchmarks.infini_gram_child", str(store), str(max_count)]
        given = json.dumps({"texts": texts, "seconds": ENGINE_SECONDS})
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            rows[name] = {"failed": failure(done)}
            continue
        found = json.loads(done.stdout)
        rows[name] = summary(found["ms"])
        spans = found["spans"] if max_count == 10**6 else spans
    return rows, spans


def failure(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}"
    return (done.stderr.strip().splitlines() or ["no message"])[-1]


def summary(times_ms: list[tuple[float, float]]) -> dict[str, Any]:
    """Median and 95th percentile of the wall times, and the median of the processor times."""
    walls, cpus = (sorted(values) for values in zip(*times_ms, strict=True))
    figures = {
        "median": statistics.median(walls),
        "p95": walls[min(len(walls) - 1, int(0.95 * len(walls)))],
        "cpu_median": statistics.median(cpus),
    }
    return {**{name: round(value, 4) for name, value in figures.items()}, "n": len(times_ms)}


def describe(store: TokenStore, build_s: float) -> dict[str, Any]:
    size_bytes = sum(file.size_bytes for file in store.manifest.files.values())
    sizes = {"tokens": store.tokens, "documents": store.documents, "size_bytes": size_bytes}
    return {**sizes, "build_s": round(build_s, 2)}


def table(report: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    columns = ("median", "p95", "cpu_median", "n")
    agreed = f"The same maximal spans and counts as infini-gram {version('infini-gram')}"
    lines = [
        f"# Tracing {report['text_tokens']} tokens: ms, warm, one core",
        f"{report['machine']}; load average {report['load_average']} before. Store of "
        f"{report['store']['tokens']:,} tokens. {agreed}: {report['same_spans_and_counts']}.\n",
        f"| ms | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for name, row in report["ms"].items():
        figures = " | ".join(str(row[column]) for column in columns) if "n" in row else row["failed"]
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

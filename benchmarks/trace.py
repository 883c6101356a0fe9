"""How long a trace of a 500-token text takes, beside infini-gram's engine on the same files.

`python -m benchmarks.trace [--tokens N] [--texts N] [--directory DIR]`. The store holds real text (the Python
standard library) and seeded synthetic text with repeats, a second one lessons like the demo's; DIR keeps them
for the next time. One core, all warm.
infini-gram runs in a process of its own, at the setting that OLMoTrace uses (spans of up to a million
occurrences) and at others, and as a whole pipeline like infinigram-api's: attribute, ten documents of each of
the rarest spans, decoded, ranked by rank_bm25. Every answer of ours is compared with infini-gram's.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import corpora, lessons, measuring
from benchmarks.measuring import Row
from tracing.core.arrays import Longs
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import maximal_bounds
from tracing.core.matching.warm_up import warm_up
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TEXT_TOKENS = 500
PRODUCTION = 10**6
MAX_COUNTS = (PRODUCTION, 10**4, 100, 10, 1)
ROUNDS = 3

Spans = dict[str, int]


def main() -> None:
    options, load = parse(), measuring.load()
    measuring.use_one_core()
    with ExitStack() as stack:
        kept = options.directory or stack.enter_context(tempfile.TemporaryDirectory())
        store = corpora.open_or_build(Path(kept), options.tokens)
        kinds = {kind: texts_of(kind, store, options) for kind in corpora.TEXTS}
        rows = [
            row for kind, texts in kinds.items() for row in measure(store, Path(kept), kind, texts, options)
        ]
        taught = lessons.open_or_build(Path(kept), options.tokens)
        texts = answers_of(Path(kept), options)
        rows += measure(taught, Path(kept), "answers on lessons", texts, options)
    same = all(row.get("same spans", True) for row in rows)
    notes = [
        f"Quotations and new text in a store of {store.tokens:,} tokens, {store.documents:,} documents of "
        f"library and synthetic text; answers in one of {taught.tokens:,} tokens, {taught.documents:,} "
        "lessons like the demo's. Times in ms a text.",
        f"Spans and counts equal to infini-gram {version('infini-gram')}'s in every text: {same}.",
        "`times ours` is the median over that of our matching, or of our whole trace for the pipeline.",
        "Ours is the fastest of three rounds over all texts, infini-gram's the second of two calls in a row "
        "on each text.",
    ]
    title = f"Tracing {TEXT_TOKENS} tokens beside infini-gram"
    measuring.keep(options, "trace", title, notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tokens", type=int, default=27_000_000, help="size of the store")
    parser.add_argument("--texts", type=int, default=100, help="texts to trace of each kind")
    parser.add_argument("--seconds", type=float, default=15, help="for each setting of infini-gram")
    parser.add_argument("--seed", type=int, default=1, help="of the texts")
    return parser.parse_args()


def texts_of(kind: str, store: TokenStore, options: argparse.Namespace) -> list[list[int]]:
    rng = np.random.default_rng(options.seed)
    return [corpora.TEXTS[kind](store, TEXT_TOKENS, rng) for _ in range(options.texts)]


def answers_of(directory: Path, options: argparse.Namespace) -> list[list[int]]:
    tokenizer = corpora.open_or_train(directory)
    return [lessons.answers(tokenizer, TEXT_TOKENS, options.seed + n) for n in range(options.texts)]


def measure(
    store: TokenStore, directory: Path, kind: str, texts: list[list[int]], options: argparse.Namespace
) -> list[Row]:
    """All rows of one kind of text."""
    ours, spans = measure_ours(store, directory, texts)
    theirs = [measure_attribute(store, texts, spans, count, options.seconds) for count in MAX_COUNTS]
    theirs.append(measure_pipeline(store, directory, texts, options.seconds))
    matching, trace = ours[0]["median"], ours[1]["median"]
    for row in theirs:
        if "median" in row:
            row["times ours"] = round(row["median"] / (trace if "pipeline" in row["what"] else matching), 1)
    return [{"texts": kind, **row} for row in ours + theirs]


def measure_ours(store: TokenStore, directory: Path, texts: list[list[int]]) -> tuple[list[Row], list[Spans]]:
    """Our matching and our whole trace; and the maximal spans of each text."""
    warm_up()
    tracer = Tracer([store], corpora.open_or_train(directory))
    requests = [TraceRequest(token_ids=text) for text in texts]
    spans = [named(*match(tracer.corpus(), text)) for text in texts]
    for request in requests:
        tracer.trace(request)
    rows = [
        {
            "what": "matching",
            **measuring.timed(lambda text: match(tracer.corpus(), text), texts, rounds=ROUNDS),
        },
        {"what": "whole trace", **measuring.timed(tracer.trace, requests, rounds=ROUNDS)},
    ]
    rows[0]["spans a text"] = round(float(np.mean([len(found) for found in spans])), 1)
    return rows, spans


def match(corpus: Corpus, text: list[int]) -> tuple[Longs, Longs, Longs]:
    """Where the maximal spans of a text begin and end, and how often each occurs."""
    query = corpus.query(text)
    with corpus.reading():
        starts, stops = maximal_bounds(corpus.longest_matches(query))
        return starts, stops, corpus.find(query, starts, stops).counts.sum(axis=0)


def named(starts: Longs, stops: Longs, counts: Longs) -> Spans:
    """The counts by span, "start:stop", as infini-gram's process writes them."""
    rows = zip(starts.tolist(), stops.tolist(), counts.tolist(), strict=True)
    return {f"{start}:{stop}": count for start, stop, count in rows}


def measure_attribute(
    store: TokenStore, texts: list[list[int]], ours: list[Spans], max_count: int, seconds: float
) -> Row:
    """infini-gram's `attribute`, and whether it gave our spans, those of up to `max_count` occurrences."""
    row: Row = {"what": f"infini-gram, max_cnt {max_count:,}"}
    found = ask(store, {"texts": texts, "max_count": max_count, "seconds": seconds})
    if "failed" in found:
        return row | found
    expected = [
        {span: count for span, count in spans.items() if count <= max_count}
        for spans in ours[: len(found["spans"])]
    ]
    spans = float(np.mean([len(of_one) for of_one in found["spans"]]))
    same = found["spans"] == expected
    return row | measuring.summary(found["ms"]) | {"spans a text": round(spans, 1), "same spans": same}


def measure_pipeline(store: TokenStore, directory: Path, texts: list[list[int]], seconds: float) -> Row:
    """A whole trace as infinigram-api makes it."""
    job = {"texts": texts, "max_count": PRODUCTION, "seconds": seconds, "tokenizer": str(directory)}
    found = ask(store, job)
    return {"what": "infinigram-api's pipeline"} | (
        found if "failed" in found else measuring.summary(found["ms"])
    )


def ask(store: TokenStore, job: dict[str, Any]) -> dict[str, Any]:
    """What infini-gram answers in a process of its own, or how it failed."""
    command = [sys.executable, "-m", "benchmarks.infini_gram_child", str(store.path)]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return dict(json.loads(done.stdout))
    if done.returncode < 0:
        return {"failed": f"killed by {signal.Signals(-done.returncode).name}"}
    return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}


if __name__ == "__main__":
    main()

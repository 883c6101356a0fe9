"""Whether a trace takes longer in a larger corpus, or in several stores: 500 tokens, one core, warm.

A larger corpus has more documents to show of one text, so that each trace is measured without any, too, and
what is left is told a document.

`python -m benchmarks.sweep [--tokens 10_000_000 100_000_000] [--directory DIR]`: add 1_000_000_000 for
the largest, which takes some 12 minutes and 11 GiB of memory to make. DIR keeps stores for the next time.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import corpora, measuring
from benchmarks.measuring import Row
from benchmarks.trace import ROUNDS, TEXT_TOKENS, match
from tracing.core.matching.warm_up import warm_up
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import Tracer, TraceRequest

SMALL_STORES = (1, 4, 8)


def main() -> None:
    options, load = parse(), measuring.load()
    measuring.use_one_core()
    warm_up()
    with ExitStack() as stack:
        kept = Path(options.directory or stack.enter_context(tempfile.TemporaryDirectory()))
        tokenizer, rows = corpora.open_or_train(kept), []
        for tokens in options.tokens:
            store = corpora.open_or_build(kept, tokens)
            rows += measure(f"{tokens:,} tokens", [store], tokenizer, options.texts)
        for count in SMALL_STORES:
            part = options.small // count
            stores = [corpora.open_or_build(kept, part, seed=seed) for seed in range(count)]
            rows += measure(f"{count} of {part:,} tokens", stores, tokenizer, options.texts)
    notes = [
        "Times in ms a text, warm: the fastest of three after a first round, over all texts.",
        *flatness(rows),
    ]
    measuring.keep(
        options, "sweep", f"Tracing {TEXT_TOKENS} tokens in corpora of different sizes", notes, rows, load
    )


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[10_000_000, 100_000_000])
    parser.add_argument(
        "--small", type=int, default=2_000_000, help="tokens of all the small stores together"
    )
    parser.add_argument("--texts", type=int, default=100, help="texts to trace of each kind")
    return parser.parse_args()


def measure(where: str, stores: list[TokenStore], tokenizer: TextTokenizer, count: int) -> list[Row]:
    """A row of each kind of text: the first time that each text is seen, and warm."""
    tracer, rows = Tracer(stores, tokenizer), []
    for kind, make in corpora.TEXTS.items():
        rng = np.random.default_rng(2)
        texts = [make(stores[n % len(stores)], TEXT_TOKENS, rng) for n in range(count)]
        requests = [TraceRequest(token_ids=text) for text in texts]
        first = measuring.timed(tracer.trace, requests)
        matching = measuring.timed(lambda text: match(tracer.corpus(), text), texts, rounds=ROUNDS)
        whole = measuring.timed(tracer.trace, requests, rounds=ROUNDS)
        bare = [TraceRequest(token_ids=text, max_documents=0) for text in texts]
        alone = measuring.timed(tracer.trace, bare, rounds=ROUNDS)
        traces = [tracer.trace(request) for request in requests]
        documents = float(np.median([len(trace.documents) for trace in traces]))
        rows.append(
            {
                "where": where,
                "texts": kind,
                "matching": matching["median"],
                "matching, CPU": matching["cpu_median"],
                "trace": whole["median"],
                "trace, CPU": whole["cpu_median"],
                "trace, p95": whole["p95"],
                "without documents": alone["median"],
                **({"a document": (whole["median"] - alone["median"]) / documents} if documents else {}),
                "trace, first time": first["median"],
                "spans": round(float(np.median([len(trace.spans) for trace in traces])), 1),
                "documents": round(documents, 1),
                "n": count,
            }
        )
    return rows


def flatness(rows: list[Row]) -> list[str]:
    """How much longer the slowest size takes than the fastest."""
    notes = []
    for kind in corpora.TEXTS:
        mine = [row for row in rows if row["texts"] == kind and " of " not in row["where"]]
        whole, alone = (
            max(row[name] for row in mine) / min(row[name] for row in mine)
            for name in ("trace", "without documents")
        )
        shown = ", ".join(f"{row['documents']:g}" for row in mine)
        each = [row["a document"] for row in mine if "a document" in row]
        notes.append(
            f"{kind.capitalize()}: whole traces within {whole:.2f}x over the sizes, with {shown} documents "
            f"to show; without their documents within {alone:.2f}x, and a document took "
            f"{min(each, default=0):.3f} to {max(each, default=0):.3f} ms."
        )
    return notes


if __name__ == "__main__":
    main()

"""infini-gram's `attribute` on a store, in a process of its own: `STORE MAX_COUNT`, texts on stdin."""

import json
import sys
import time

from infini_gram.engine import InfiniGramEngine


def main() -> None:
    """Print {"ms": [...], "spans": [...]} for as many texts as fit the time given, after a warm-up each."""
    store, max_count = sys.argv[1], int(sys.argv[2])
    given = json.load(sys.stdin)
    engine = InfiniGramEngine(store, eos_token_id=0, vocab_size=65535, token_dtype="u16")
    options = {"delim_ids": [], "min_len": 1, "max_cnt": max_count, "enforce_bow": False}
    times_ms, spans, began = [], [], time.monotonic()
    for text in given["texts"]:
        engine.attribute(text, **options)
        wall, cpu = time.perf_counter(), time.process_time()
        found = engine.attribute(text, **options)
        times_ms.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
        spans.append({f"{span['l']}:{span['r']}": span["count"] for span in found["spans"]})
        if time.monotonic() - began > given["seconds"]:
            break
    print(json.dumps({"ms": times_ms, "spans": spans}))


if __name__ == "__main__":
    main()

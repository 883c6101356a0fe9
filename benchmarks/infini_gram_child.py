"""infini-gram's engine on a store, in a process of its own: `STORE`, and a job on stdin.

The job says `texts` (ids), `max_count`, `seconds` to stop after, and `tokenizer`, a directory, where
documents are wanted too: then each call does what infinigram-api does for a trace.
"""

import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

from infini_gram.engine import InfiniGramEngine
from rank_bm25 import BM25Okapi
from tokenizers import Tokenizer

DENSITY, DOCUMENTS, CONTEXT_TOKENS = 0.05, 10, 250  # those of OLMoTrace


class Traced:
    """One store's engine, and the tokenizer of its texts."""

    def __init__(self, store: str, job: dict[str, Any]) -> None:
        self.engine = InfiniGramEngine(store, eos_token_id=0, vocab_size=65535, token_dtype="u16")
        self.max_count, self.random = job["max_count"], random.Random(0)
        directory = job.get("tokenizer")
        self.tokenizer = Tokenizer.from_file(str(Path(directory, "tokenizer.json"))) if directory else None

    def __call__(self, ids: list[int]) -> dict[str, int]:
        """The maximal spans that are no more frequent than asked for, and their counts."""
        found = self.engine.attribute(
            ids, delim_ids=[], min_len=1, max_cnt=self.max_count, enforce_bow=False
        )["spans"]
        if self.tokenizer is not None:
            self.rank(ids, found)
        return {f"{span['l']}:{span['r']}": span["count"] for span in found}

    def rank(self, ids: list[int], found: list[Any]) -> list[tuple[float, str]]:
        """The rarest spans' documents, ten of each drawn, decoded, and ranked by BM25 against the text."""
        rarest = sorted(found, key=lambda span: span["unigram_logprob_sum"])[: math.ceil(DENSITY * len(ids))]
        asked = [
            (document["s"], document["ptr"], span["length"], CONTEXT_TOKENS)
            for span in rarest
            for document in self.random.sample(span["docs"], min(DOCUMENTS, len(span["docs"])))
        ]
        read = {document["doc_ix"]: document for document in self.engine.get_docs_by_ptrs_2(asked)}
        texts = [self.tokenizer.decode(document["token_ids"]) for document in read.values()]
        if not texts:
            return []
        scores = BM25Okapi([text.split(" ") for text in texts]).get_scores(
            self.tokenizer.decode(ids).split(" ")
        )
        return sorted(zip(scores, texts, strict=True), reverse=True)


def main() -> None:
    """Print {"ms": [...], "spans": [...]} for as many texts as fit the time given, after a warm-up each."""
    job = json.load(sys.stdin)
    traced, times_ms, spans, began = Traced(sys.argv[1], job), [], [], time.monotonic()
    for text in job["texts"]:
        traced(text)
        wall, cpu = time.perf_counter(), time.process_time()
        spans.append(traced(text))
        times_ms.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
        if time.monotonic() - began > job["seconds"]:
            break
    print(json.dumps({"ms": times_ms, "spans": spans}))


if __name__ == "__main__":
    main()

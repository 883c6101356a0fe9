"""Damaging stores in every way, thousands of times, and asking them everything: a program of its own.

`python -m tests.tracing.support.damage --cases 2000 --seed 1` prints a JSON report. It is started as a child
process, so that a signal would be seen; the case that it was at stands in `--log`.
"""

import argparse
import collections
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.tracing.support.damages import AT_REST, ERROR, KINDS, LARGE, WHILE_OPEN, Case, Kind
from tests.tracing.support.engines import searched_by
from tests.tracing.support.stores import IN_MEMORY, text_tokenizer, write_store
from tracing.core.documents.view import read_document
from tracing.core.engines.choice import ENGINES, HEADWATER
from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.errors import TracingError
from tracing.core.stores.store import TokenStore
from tracing.core.stores.verify import verify_store
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
Answers = dict[str, Any]


def query_of(kind: Kind) -> list[int]:
    parts = [
        document[: 4 + number % 9] for number, document in enumerate(kind.corpus(1)[:: kind.documents // 6])
    ]
    return [token for part in parts for token in part] + [5, 9, 248, 2]


def questions(
    store: TokenStore, searched: TokenStore | InfiniGramStore, query: list[int]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything that can be asked of a store, by name; `searched` is the same with its engine."""
    tracer = Tracer([searched], TOKENIZER)

    def trace(**options: Any) -> Any:
        found = tracer.trace(TraceRequest(token_ids=query, **options)).to_json()
        del found["timing_ms"]
        return found

    def live() -> Any:
        follow = tracer.live()
        return [[span.__dict__ for span in follow.push([token])] for token in query[:24]]

    def page(number: int) -> Any:
        return read_document(store, number, TOKENIZER, query[2:4], page_tokens=16).__dict__

    yield "trace", lambda: trace(density=1.0, min_tokens=2)
    yield "raw", lambda: trace(raw=True)
    yield "live", live
    for number in (0, 1, 2, store.documents // 2, store.documents - 1):
        yield f"page {number}", lambda number=number: page(number)
        yield f"ids {number}", lambda number=number: store.token_ids(number).tolist()


def ask(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except TracingError as error:
        return ERROR if str(error) else "an error without a message"


def verdict(path: Path) -> Any:
    """Whether the store is sound from end to end."""
    return ask(lambda: bool(verify_store(path)))


def answers(
    path: Path, query: list[int], check: int, damage: Callable[[], None] | None, engine: str = HEADWATER
) -> Answers:
    """What each question is answered, `damage` done when the store has been opened."""
    try:
        store = TokenStore.open(path, check_at_open_bytes=check)
    except TracingError:
        return {"open": ERROR}
    with contextlib.closing(store), searched_by(engine, [store], limit_s=10.0) as [searched]:
        try:
            asked = list(questions(store, searched, query))
        except TracingError:
            return {"open": ERROR}
        if damage is not None:
            damage()
        return {name: ask(question) for name, question in asked}


class Fuzz:
    """Damages stores one after the other, and compares what they answer to what is right."""

    def __init__(self, home: Path, log: Path | None, engine: str = HEADWATER) -> None:
        self.home, self.log, self.engine = home, log, engine
        self.right: dict[tuple[str, int], Answers] = {}
        for kind in (*KINDS, LARGE):
            for seed in (1, 2):
                path = home / f"{kind.name}-{seed}"
                write_store(path, kind.corpus(seed), kind.dtype, shard_bytes=kind.shard_bytes, name="store")
                self.right[kind.name, seed] = answers(path, query_of(kind), 0, None)
                assert ERROR not in self.right[kind.name, seed].values()

    def run(self, number: int, seed: int) -> tuple[str, str | None]:
        """(how case `number` was damaged, what is wrong with the answers if anything is)."""
        rng = np.random.default_rng((seed, number))
        kind = LARGE if number % 10 == 9 else KINDS[number % 3]
        while_open = number % 4 == 3
        damages = WHILE_OPEN if while_open else AT_REST
        damage = damages[int(rng.integers(len(damages)))]
        case = Case(self.home, kind, rng)
        if self.log is not None:
            self.log.write_text(f"{number} {damage.__name__} {kind.name}")
        try:
            if not while_open:
                damage(case)
            given = answers(
                case.path,
                query_of(kind),
                int(rng.choice([0, 1 << 30])),
                (lambda: damage(case)) if while_open else None,
                self.engine,
            )
            if self.engine != HEADWATER and while_open and case.allowed == "right":
                case.allowed = "right or error"  # it opens files by their names
            sound = verdict(case.path) if number % 3 == 0 or case.allowed.startswith("anything") else None
            return damage.__name__, self.fault(case, given, sound)
        finally:
            case.close()

    def fault(self, case: Case, given: Answers, sound: Any) -> str | None:
        right, other = self.right[case.kind.name, 1], self.right[case.kind.name, 2]
        wrong = [name for name, answer in given.items() if answer not in (ERROR, right.get(name))]
        failed = ERROR in given.values()
        match case.allowed:
            case "anything" | "anything sound":  # other metadata, name, source or stage of the same tokens
                wrong = [name for name in wrong if bare_of(given[name]) != bare_of(right.get(name))]
                if case.allowed == "anything":
                    return f"verify_store found it sound, but {wrong}" if wrong and sound is True else None
            case "right or error or other":  # all of it may have come from the other store
                return None if all(given[name] == other[name] for name in wrong) else f"wrong: {wrong}"
            case "right" if failed:
                return f"refused: {[name for name, answer in given.items() if answer is ERROR]}"
            case "error" if not failed:
                return "not refused"
        return f"wrong: {wrong}" if wrong else None


def bare_of(answer: Any) -> Any:
    """An answer's places, ids and counts, without what manifest and metadata say of the documents."""
    if isinstance(answer, dict) and "spans" in answer:
        return [(span["start"], span["end"], span["count"]) for span in answer["spans"]]
    if isinstance(answer, dict):
        return {name: value for name, value in answer.items() if name != "metadata"}
    if isinstance(answer, list) and answer and isinstance(answer[0], list):
        return [[(span["start"], span["end"], span["count"]) for span in spans] for spans in answer]
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--engine", choices=ENGINES, default=HEADWATER)
    parser.add_argument("--log", type=Path, help="a file that says which case is being tried")
    options = parser.parse_args()
    tried: collections.Counter[str] = collections.Counter()
    faults = []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as home:
        fuzz = Fuzz(Path(home), options.log, options.engine)
        for number in range(options.cases) if options.only is None else [options.only]:
            damage, fault = fuzz.run(number, options.seed)
            tried[damage] += 1
            if fault:
                faults.append(f"case {number} {damage}: {fault}")
    print(json.dumps({"tried": tried, "faults": faults}))


if __name__ == "__main__":
    main()

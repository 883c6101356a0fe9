"""infini-gram's own engine in its child process: the answers of ours, and no failure that takes us along."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings

from tests.tracing.matching.test_search import search
from tests.tracing.support.brute import corpora, longest_match, maximal, occurrences
from tests.tracing.support.engines import searched_by
from tests.tracing.support.stores import IN_MEMORY, resign, stores_of, text_tokenizer, write_store
from tracing.core.engines.child import ATTEMPTS
from tracing.core.engines.choice import ENGINES
from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.errors import Cancelled, EngineFailed, StoreDamaged, StoreError, StoreMissing
from tracing.core.matching.corpus import Corpus
from tracing.core.stores.heads import tree_of
from tracing.core.stores.layout import BLOCKS, DATA_FILES
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
ROOT = Path(__file__).resolve().parents[3]
Case = tuple[str, list[list[int]], list[int]]
WORDS = [TOKENIZER.encode(text)[0] for text in ("Join two or more", " pathname", " carry 1.", " 日本", "\n")]


def documents(count: int, seed: int = 3) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[t for n in rng.integers(0, len(WORDS), 30) for t in WORDS[n]] for _ in range(count)]


@pytest.fixture
def path() -> Iterator[Path]:
    """A store to damage."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        write_store(Path(directory) / "store", documents(40), shard_bytes=2000).close()
        yield Path(directory) / "store"


@contextlib.contextmanager
def opened(path: Path, **options: float) -> Iterator[InfiniGramStore]:
    with TokenStore.open(path) as store, searched_by("infini-gram", [store], **options) as [chosen]:
        yield chosen


@given(corpora())
@example(("u8", [[]], [1]))
@example(("u16", [[0]], [0, 0]))
@example(("u16", [[5, 1, 3, 9]], [1, 2]))  # before the first suffix, where its `attribute` finds nothing
@example(("u32", [[1, 2], [1, 2]], [1, 2, 2**32 - 2]))
@settings(max_examples=80, deadline=None)
def test_matches_and_counts_are_those_of_brute_force(case: Case) -> None:
    kind, collection, query = case
    with stores_of(collection, dtype=kind) as stores, searched_by("infini-gram", stores) as chosen:
        lengths, spans = search(Corpus(chosen), query)
    assert lengths == [longest_match(collection, query[start:]) for start in range(len(query))]
    assert list(spans) == maximal(collection, query)
    assert spans == {(a, b): occurrences(collection, query[a:b]) for a, b in spans}


def whole(stores: object, request: TraceRequest) -> dict:
    answer = Tracer(stores, TOKENIZER).trace(request).to_json()
    del answer["timing_ms"]
    return answer


@pytest.mark.parametrize("raw", [False, True])
def test_a_whole_trace_is_the_same_by_either_engine_and_by_both_at_once(raw: bool) -> None:
    collection = documents(60)
    query = [token for document in collection[::9] for token in document[:25]] + [1, 2, 300]
    request = TraceRequest(token_ids=query, raw=raw, density=0.5, min_tokens=2, seed=4)
    with (
        stores_of(collection[:25], collection[25:], shard_bytes=400) as stores,
        searched_by("infini-gram", stores) as chosen,
    ):
        assert len(stores[0].shards) > 10  # more shards than digits sort by
        expected = whole(stores, request)
        assert expected["spans"]
        assert whole(chosen, request) == expected
        assert whole([chosen[0], stores[1]], request) == expected
        assert whole([stores[0], chosen[1]], request) == expected


def test_stores_narrower_than_the_query_are_searched_up_to_what_they_can_hold() -> None:
    with (
        stores_of([[1, 2, 3]], dtype="u8") as narrow,
        stores_of([[2, 3, 70000]], dtype="u32") as wide,
        searched_by("infini-gram", [*narrow, *wide]) as chosen,
    ):
        assert search(Corpus(chosen), [1, 2, 3, 70000, 1])[1] == {(0, 3): 1, (1, 4): 1, (4, 5): 1}


def test_a_long_match_takes_few_questions_of_the_engine() -> None:
    """Of 5,000 tokens that all match, each start does not search from its own beginning."""
    ids = np.random.default_rng(0).integers(0, 300, 5000).tolist()
    with stores_of([ids]) as stores, searched_by("infini-gram", stores, limit_s=20.0) as chosen:
        assert search(Corpus(chosen), ids)[1] == {(0, 5000): 1}


def test_a_live_trace_follows_a_stream_by_it() -> None:
    [document] = documents(1)
    with stores_of([document]) as stores, searched_by("infini-gram", stores) as chosen:
        ours, theirs = (Tracer(given, TOKENIZER).live() for given in (stores, chosen))
        for token in [*document[:20], 1, *document[5:15]]:
            ours.push([token])
            theirs.push([token])
            assert theirs.spans() == ours.spans()
            assert theirs.maximal() == ours.maximal()


QUERY = [token for document in documents(40)[::5] for token in document[:20]]


def trace(store: InfiniGramStore | TokenStore) -> dict:
    return whole([store], TraceRequest(token_ids=QUERY, density=1.0, min_tokens=2))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [f"{stem}.0" for stem in (*DATA_FILES, BLOCKS)])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped"])
def test_a_damaged_store_is_one_clear_error_by_either_engine(
    path: Path, engine: str, name: str, damage: str
) -> None:
    content = (path / name).read_bytes()
    flipped = bytes([content[0] ^ 1]) + content[1:]
    (path / name).unlink()
    if damage != "missing":
        (path / name).write_bytes({"empty": b"", "cut": content[:-1], "flipped": flipped}[damage])
    with pytest.raises((StoreDamaged, StoreMissing), match=name.replace(".", r"\.")):
        open_and_read(path, engine)


def open_and_read(path: Path, engine: str) -> None:
    with (
        TokenStore.open(path, check_at_open_bytes=0) as store,
        searched_by(engine, [store]) as [chosen],
    ):
        trace(chosen)
        store.token_ids(0)
        store.metadata(0)


CHANGES = ["missing", "cut", "flipped", "replaced"]


@pytest.mark.parametrize("damage", CHANGES)
def test_a_store_that_changes_while_it_is_open_is_checked_again_before_the_engine_reads_it(
    path: Path, damage: str
) -> None:
    table = path / "table.0"
    with opened(path) as store:
        right, first = trace(store), store.child.pid
        content = table.read_bytes()
        if damage in ("missing", "replaced"):
            table.unlink()
        if damage != "missing":
            altered = content[:-4] if damage == "cut" else content[:99] + b"\x00\x07" + content[101:]
            table.write_bytes(altered)
        with pytest.raises((StoreDamaged, StoreMissing), match=r"table\.0"):
            trace(store)
        assert store.child.pid is None
        if damage == "replaced":  # made good by the same content in another file: the engine starts anew
            table.write_bytes(content)
            assert trace(store) == right
            assert store.child.pid not in (None, first)


def test_stray_files_and_odd_names_do_no_harm(path: Path) -> None:
    odd = path.parent / "tokenized \n metadata table é 日本"
    shutil.copytree(path, odd)
    for name in ("tokenized.7", "table", ".hidden", "notes.txt"):
        (odd / name).write_text("stray")
    with opened(path) as store, opened(odd) as other:
        assert trace(other) == trace(store)


@pytest.mark.parametrize("kind", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGKILL])
def test_a_child_that_dies_in_mid_request_is_started_again_and_asked_again(path: Path, kind: int) -> None:
    with opened(path) as store:
        right, first = trace(store), store.child.pid
        os.kill(first, signal.SIGSTOP)  # it has the question and cannot answer yet
        found: list[dict] = []
        asking = threading.Thread(target=lambda: found.append(trace(store)))
        asking.start()
        time.sleep(0.3)
        assert asking.is_alive()
        os.kill(first, kind)
        os.kill(first, signal.SIGCONT)
        asking.join(60)
        assert found == [right]
        assert store.child.pid not in (None, first)


def test_a_child_that_hangs_is_ended_at_the_time_limit_and_the_next_question_answered(path: Path) -> None:
    with opened(path, limit_s=1.0) as store:
        right, first = trace(store), store.child.pid
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(EngineFailed, match=r"did not answer within 1 s.*choose the engine headwater"):
            trace(store)
        assert not Path(f"/proc/{first}").exists()
        assert trace(store) == right


def crash(path: Path) -> None:
    """Pointers far outside the data, with right checksums, but for those that we take our heads from: nothing
    but the engine can tell."""
    with TokenStore.open(path) as store:
        shapes = [(shard.entries, shard.pointer_bytes) for shard in store.shards]
    for number, (entries, width) in enumerate(shapes):
        table = path / f"table.{number}"
        pointers = np.frombuffer(table.read_bytes(), dtype=np.uint8).reshape(entries, width).copy()
        pointers[np.arange(entries) % (1 << tree_of(entries).shift) != 0] = 0xFF
        table.write_bytes(pointers.tobytes())
    resign(path)


def test_a_store_that_crashes_the_engine_is_given_up_with_one_clear_error(path: Path) -> None:
    """Its suffix array is garbage with right checksums: ours finds it, infini-gram reads far outside."""
    crash(path)
    with TokenStore.open(path) as store:
        with pytest.raises(StoreError, match="points outside the tokens"):
            trace(store)
        with searched_by("infini-gram", [store]) as [chosen]:
            for _ in range(2):
                with pytest.raises(EngineFailed, match=rf"{ATTEMPTS} times in a row.*SIG.*verify_index"):
                    trace(chosen)
            assert chosen.child.pid is None


def test_a_cancelled_search_stops_between_two_questions(path: Path) -> None:
    with opened(path) as store:
        asked: list[int] = []
        with pytest.raises(Cancelled):
            Tracer([store], TOKENIZER).trace(
                TraceRequest(token_ids=[7] * 3000), cancelled=lambda: len(asked) == 1 or bool(asked.append(1))
            )


def test_threads_share_a_child_and_get_the_answers_of_one(path: Path) -> None:
    with opened(path) as store:
        right, found = trace(store), []
        threads = [threading.Thread(target=lambda: found.append(trace(store))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == [right] * 8


ORPHAN = """
import os, signal, sys
from pathlib import Path
from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.stores.heads import tree_of
from tracing.core.stores.store import TokenStore
store = InfiniGramStore(TokenStore.open(Path(sys.argv[1])))
store.ask("find", queries=[[1]])
os.kill(store.child.pid, signal.SIGSTOP)
print(store.child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_ends_with_its_parent_even_if_both_are_stopped_hard(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN, path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for _ in range(200):
        if not alive(int(done.stdout)):
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


WITHOUT = """
import sys
sys.modules["infini_gram"] = None
from pathlib import Path
from tracing.core.engines.choice import searched_by
from tracing.core.stores.heads import tree_of
from tracing.core.stores.store import TokenStore
try:
    searched_by("infini-gram", TokenStore.open(Path(sys.argv[1])))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_the_package_the_error_says_what_to_install(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, path], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("EngineFailed The package infini-gram is not installed")
    assert "pip install infini-gram==" in done.stdout
    assert len(done.stdout.splitlines()) == 1

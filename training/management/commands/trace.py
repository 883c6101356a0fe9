"""`manage.py trace`: which training documents contain the spans of a text."""

import json
import statistics
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from tracing.byte_indexes import byte_twins_of
from tracing.core.engines.choice import ENGINES, HEADWATER, searched_by
from tracing.core.errors import InputError, TracingError
from tracing.core.request import CHARACTERS_MAX, TOKENS_MAX
from tracing.core.stores.store import TokenStore
from tracing.core.text.numbering import NumberTokenizer, find_tokenizer
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import Tracer
from tracing.withholding.lookup import WithheldNow
from training.core.errors import TrainingError
from training.models import Checkpoint
from training.trace_terminal import print_trace
from training.traces import FILTERS, make_request, trace_checkpoint

REPEAT_MAX = 10_000
FILE_BYTES_MAX = 4 * CHARACTERS_MAX  # in UTF-8; a JSON list of as many ids as can be traced is far shorter
Run = Callable[[], dict[str, Any]]


class Command(BaseCommand):
    help = (
        "Finds the spans of a text, or of token ids, in the data that a checkpoint and its ancestors were "
        "trained on (--model), or in one store by its path (--index; needs no database), and the documents "
        "that contain them. Prints colours for people, or with --json what POST /v1/traces answers."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--model", help="a checkpoint's name")
        where.add_argument(
            "--index", type=Path, action="append", help="a store's directory; may be given again"
        )
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--text", help="the text itself")
        what.add_argument("--file", type=Path, help="a UTF-8 text file, - for standard input")
        what.add_argument(
            "--ids", type=Path, help="a file with a JSON list of token ids, - for standard input"
        )
        parser.add_argument("--tokenizer", type=Path, help="with --index: directory of the store's tokenizer")
        parser.add_argument("--engine", choices=ENGINES, help="with --index: what finds the matches")
        parser.add_argument("--prompt", default="", help="the question, which counts for relevance only")
        parser.add_argument(
            "--raw",
            action="store_true",
            help="all maximal spans, on bytes too; no documents",
        )
        parser.add_argument("--min-tokens", type=int, help="shortest span to show")
        parser.add_argument("--density", type=float, help="share of the tokens to keep spans for, 0 to 1")
        parser.add_argument("--max-documents", type=int, help="documents to sample for a span, 0 to 100")
        parser.add_argument("--stages", nargs="+", help="search the stores of these stages only")
        parser.add_argument("--corpora", nargs="+", help="show documents of these corpora only")
        parser.add_argument("--licences", nargs="+", help="show documents of these licences only")
        parser.add_argument("--sources", nargs="+", help="show documents whose source or URL begins so")
        parser.add_argument("--relevance", help="show documents of at least this tier: high, medium or low")
        parser.add_argument("--seed", type=int, help="draws the documents")
        parser.add_argument(
            "--added-since", metavar="CHECKPOINT",
            help="with --model: say of each span whether it is in none of this ancestor's data",
        )  # fmt: skip
        parser.add_argument("--repeat", type=repeats, default=0, metavar="N",
                            help="after a first run, time N more and report the medians")  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print JSON for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = prepare(options)
            trace = repeated(run, options["repeat"])
        except (TracingError, TrainingError, OSError) as error:
            raise CommandError(" ".join(str(error).split())) from error  # a path may hold line breaks
        if options["json"]:
            self.stdout.write(json.dumps(trace))
        else:
            print_trace(trace, Console(file=sys.stdout))


def repeats(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= REPEAT_MAX:
        raise ArgumentTypeError(f"{text!r} is not a number of runs from 1 to {REPEAT_MAX}")
    return int(text)


def prepare(options: dict[str, Any]) -> Run:
    """Opens what is to be searched and reads what is to be traced; the run itself is then warm."""
    names = ("raw", "min_tokens", "density", "max_documents", "stages", "seed", *sorted(FILTERS))
    asked = {"text": read_text(options), "token_ids": read_ids(options["ids"])}
    asked |= {name: options[name] for name in names}
    if options["model"] is not None:
        if options["engine"]:
            raise InputError("--engine goes with --index: for a model's stores, choose it in the admin.")
        checkpoint = find_checkpoint(options["model"])
        asked |= {"prompt": options["prompt"], "added_since": options["added_since"]}
        return lambda: trace_checkpoint(checkpoint, **asked)
    if options["added_since"] is not None:
        raise InputError("--added-since needs --model: a store by itself has no ancestors.")
    tracer = open_tracer(options["index"], options["tokenizer"], options["engine"] or HEADWATER)
    withheld = WithheldNow() if any(map(is_this_sites, options["index"])) else None
    request = make_request(tracer.tokenizer, prompt_text=options["prompt"], **asked)
    return lambda: {
        "id": None,
        "model": None,
        "checkpoint": None,
        **tracer.trace(request, withheld=withheld).to_json(),
    }


def is_this_sites(directory: Path) -> bool:
    """Whether a store lies where this site keeps its own, whose withheld documents stay so; other stores
    need no database."""
    return directory.resolve().parent == settings.HOME / "stores" and database_exists()


def database_exists() -> bool:
    name = settings.DATABASES["default"]["NAME"]
    return not isinstance(name, Path) or name.is_file()


def repeated(run: Run, times: int) -> dict[str, Any]:
    """One run; or, after it, `times` more, with the medians of their timings."""
    trace = run()
    if times:
        timings = [run()["timing_ms"] for _ in range(times)]
        medians = {name: statistics.median(timing[name] for timing in timings) for name in timings[0]}
        trace |= {"timing_ms": medians, "repeat": times}
    return trace


def find_checkpoint(name: str) -> Checkpoint:
    checkpoint = Checkpoint.objects.filter(name=name).first()
    if checkpoint is None:
        known = ", ".join(Checkpoint.objects.order_by("-created_at").values_list("name", flat=True)[:20])
        raise CommandError(f"No checkpoint is called {name!r}. Known: {known or 'none yet'}.")
    return checkpoint


def open_tracer(directories: list[Path], tokenizer: Path | None, engine: str) -> Tracer:
    """A tracer over stores given by path; their tokenizer is looked for beside them and in HEADWATER_HOME."""
    opened = [TokenStore.open(directory) for directory in directories]
    stores, twins = [searched_by(engine, store) for store in opened], byte_twins_of(opened)
    if tokenizer is not None:
        return Tracer(stores, TextTokenizer.open(tokenizer), twins=twins)
    homes = [*(settings.HOME / "tokenizers").glob("*"), *(settings.HOME / "checkpoints").glob("*")]
    beside = [
        folder
        for directory in directories
        for folder in directory.resolve().parent.parent.glob("tokenizers/*")
    ]
    found = find_tokenizer(stores[0].manifest.tokenizer, [*directories, *homes, *beside])
    return Tracer(stores, found, twins=[] if isinstance(found, NumberTokenizer) else twins)


def read_text(options: dict[str, Any]) -> str | None:
    if options["file"] is None:
        return options["text"]
    try:
        return read_bytes(options["file"]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{options['file']} is not UTF-8 text (byte {error.start}).") from error


def read_ids(path: Path | None) -> list[int] | None:
    if path is None:
        return None
    try:
        ids = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON ({error}): write a list of token ids, as [12, 7].") from error
    if not isinstance(ids, list) or any(type(token) is not int for token in ids):
        raise InputError(f"{path} holds no list of whole numbers: write token ids, as [12, 7].")
    return ids


def read_bytes(path: Path) -> bytes:
    """The content of a file; InputError for one that is longer than any text or ids to be traced."""
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise InputError(
            f"{path} has more than {FILE_BYTES_MAX} bytes: give at most {TOKENS_MAX} tokens of text or ids."
        )
    return content

"""`manage.py import_corpus NAME PATH...`: a corpus in files becomes a token store."""

import os
import re
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.audit import Actor, record_act
from tracing.core.building.import_job import Import, Imported, Progress
from tracing.core.building.importing import import_corpus
from tracing.core.errors import TracingError
from tracing.documents import keep_tokenizer
from tracing.management.progress import CommandProgress
from tracing.models import Store
from tracing.services import open_tokenizer, register_store

NAME = re.compile("[A-Za-z0-9_-]{1,100}")
SHOWN_ROWS = 20


class Command(BaseCommand):
    help = (
        "Imports JSON lines, Parquet and text files, plain or compressed (.gz, .zst), and folders of them "
        "into a token store under HEADWATER_HOME/stores, or, with --output, anywhere and without a database. "
        "A row has its text under --text-field and, if you like, id, source, url, title, licence and date; "
        "other values and objects of it are kept too. Killed or stopped, the same command goes on where it "
        "was. Memory: --memory for sorting, and some 200 MB for each process. See docs/corpora.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the store's name: letters, digits, - and _")
        parser.add_argument("paths", nargs="+", type=Path, help="files and folders, read in this order")
        parser.add_argument("--tokenizer", type=Path, required=True, help="directory with a tokenizer.json")
        parser.add_argument("--stage", required=True, help="what it is for: pretrain, midtrain, ...")
        parser.add_argument("--licence", required=True, help="the documents' licence, shown beside each")
        parser.add_argument("--output", type=Path, help="directory to publish at, instead of HEADWATER_HOME")
        parser.add_argument("--text-field", default="text", help="the field with the text (text)")
        cores = len(os.sched_getaffinity(0))
        parser.add_argument(
            "--processes", type=int, default=cores, help="processes that encode (all cores); same store"
        )
        parser.add_argument(
            "--memory",
            type=float,
            default=4.0,
            metavar="GIB",
            help="memory for sorting (4): shards are a sixth of it, at most 2 GiB",
        )
        parser.add_argument(
            "--skip-bad", action="store_true", help="leave out and list rows that cannot be read"
        )
        parser.add_argument("--restart", action="store_true", help="forget what an earlier run has done")
        parser.add_argument(
            "--no-index", action="store_true", help="write the tokens only; build_index does the rest later"
        )
        parser.add_argument(
            "--scan", action="store_true", help="then withhold documents with personal data (scan_corpus)"
        )

    def handle(self, *args: Any, name: str, output: Path | None, **options: Any) -> None:
        check_name(name)
        if options["scan"] and (output is not None or options["no_index"]):
            raise CommandError("--scan needs a registered store: leave out --output and --no-index.")
        target = output or settings.HOME / "stores" / name
        try:
            done = self.run_import(job_of(name, target, options))
            if output is None and done.manifest is not None:
                keep_tokenizer(registered(target, done), options["tokenizer"])
        except TracingError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was done is kept: run the same again to go on.") from None
        self.tell_result(done, target)
        if options["scan"]:
            call_command("scan_corpus", name, stdout=self.stdout, stderr=self.stderr)

    def run_import(self, job: Import) -> Imported:
        with CommandProgress(self.stderr) as progress:
            return import_corpus(job, reporter(progress))

    def tell_result(self, done: Imported, target: Path) -> None:
        for wrong in done.wrong[:SHOWN_ROWS]:
            self.stderr.write(f"left out: {wrong}")
        if done.left_out:
            self.stderr.write(f"{done.left_out:,} rows left out.")
        counted = f"{done.documents:,} documents, {done.tokens:,} tokens"
        if done.manifest is None:
            self.stdout.write(
                f"Wrote {target}: {counted}. It has no index yet: manage.py build_index makes it "
                "(give it --tokenizer again, so that the pages can read the store)."
            )
        else:
            self.stdout.write(self.style.SUCCESS(f"Published {target}: {counted}"))


@transaction.atomic
def registered(target: Path, done: Imported) -> Store:
    """The store's row, and that somebody brought it in."""
    store = register_store(target)
    detail = {"documents": done.documents, "tokens": done.tokens}
    by = Actor.of_command("import_corpus")
    record_act(
        by=by,
        action="import corpus",
        object_type="store",
        object_id=store.name,
        label=store.name,
        detail=detail,
    )
    return store


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise CommandError(f"{name!r} cannot be a store's name: use letters, digits, - and _.")


def job_of(name: str, target: Path, options: dict[str, Any]) -> Import:
    """The import that the options ask for; CommandError where one is out of range."""
    if not 1 <= options["processes"] <= 1024:
        raise CommandError(f"--processes is {options['processes']}: give a number from 1 to 1024.")
    if not 0.01 <= options["memory"] <= 1e6:
        raise CommandError(f"--memory is {options['memory']}: give GiB, from 0.01.")
    kept = ("paths", "stage", "licence", "text_field", "processes", "skip_bad", "restart")
    return Import(
        name=name,
        tokenizer=open_tokenizer(options["tokenizer"]),
        output=target,
        memory_bytes=int(options["memory"] * 2**30),
        index=not options["no_index"],
        **{option: options[option] for option in kept},
    )


def reporter(progress: CommandProgress) -> Any:
    """Tells each Progress, with the pace since the first one."""
    began: list[tuple[float, int]] = []

    def report(now: Progress) -> None:
        began.append((time.monotonic(), now.tokens)) if not began else None
        seconds = max(1e-9, time.monotonic() - began[0][0])
        pace = (now.tokens - began[0][1]) / seconds
        found = f"{now.documents:,} documents, {now.tokens:,} tokens"
        progress.tell(now.phase, now.share, found + (f", {pace:,.0f}/s" if now.phase == "reading" else ""))

    return report

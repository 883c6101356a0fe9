"""A corpus in files becomes a token store: read, encoded by processes, written, indexed, published."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tracing.core.building.description import write_description
from tracing.core.building.encoding import Encoded
from tracing.core.building.import_job import Import, Imported, Progress, Report, token_type_for
from tracing.core.building.indexing import index_directory
from tracing.core.building.pool import EncodingPool
from tracing.core.building.sources import Read, files_of, read_batches
from tracing.core.building.token_files import TokenFiles
from tracing.core.building.work_directory import Journal, WorkDirectory
from tracing.core.errors import InputError
from tracing.core.stores.layout import MANIFEST, token_type
from tracing.core.stores.manifest import Manifest, read_manifest

SAVE_EVERY_S: Final = 5.0
WRONG_MAX: Final = 1000


def import_corpus(job: Import, report: Report = lambda progress: None) -> Imported:
    """Writes and publishes the store; run again after a kill or an error, it goes on where it was.

    Raises InputError with file and row for what cannot be read, StoreError where the disk refuses;
    nothing is published then, and what was written is kept.
    """
    files = [file for path in job.paths for file in files_of(path)]
    with WorkDirectory(job.output, restart=job.restart) as work:
        journal = work.journal(_asked(job, files))
        if not journal.complete:
            with work.guard():
                _Reading(job, work, journal, files, report).run()
        manifest = _index(job, work, journal, report)
        work.publish()
    return Imported(manifest, journal.documents, journal.tokens, journal.left_out, journal.wrong)


class _Reading:
    """The first part of an import: rows to token files."""

    def __init__(
        self, job: Import, work: WorkDirectory, journal: Journal, files: Sequence[Path], report: Report
    ) -> None:
        self._job, self._work, self._journal, self._report, self._sources = job, work, journal, report, files
        self._width = token_type(token_type_for(job.tokenizer)).width_bytes
        self._size_bytes = max(1, sum(file.stat().st_size for file in files))
        self._files = TokenFiles(work.path, job.shard_bytes, journal.kept)
        self._saved, self._whole = time.monotonic(), True

    def run(self) -> None:
        """Read to the end, saving the journal now and then, and whatever happens."""
        pool = EncodingPool(self._job.encoding(), self._job.processes)
        reads = read_batches(self._sources, self._journal.place)
        try:
            with closing(pool.encode(reads)) as results:
                for read, encoded in results:
                    self._write(read, encoded)
            self._journal.complete = True
        finally:
            if self._whole:  # else the journal of a while ago stands, and the files are cut to it
                self._save()
            self._files.close()
        if not self._journal.documents:
            self._work.remove()
            raise InputError(f"{self._job.output.name} has no documents: name files that hold some.")

    def _write(self, read: Read, encoded: Encoded) -> None:
        """Append a batch; with a bad row, unless it is to be left out, nothing of it is."""
        if encoded.wrong and not self._job.skip_bad:
            more = "" if len(encoded.wrong) == 1 else f" ({len(encoded.wrong)} such rows close by)"
            raise InputError(
                f"{encoded.wrong[0]}{more} What was read before is kept: run it again with --skip-bad to "
                "leave such rows out, or correct the file and give --restart."
            )
        self._whole = False
        self._files.add_all(encoded.data, encoded.sizes, encoded.lines, encoded.line_sizes)
        journal = self._journal
        journal.place = read.after
        journal.documents += encoded.sizes.size
        journal.tokens += len(encoded.data) // self._width - encoded.sizes.size
        journal.left_out += len(encoded.wrong)
        journal.wrong += encoded.wrong[: WRONG_MAX - len(journal.wrong)]
        self._whole = True
        share = read.read_bytes / self._size_bytes
        self._report(Progress("reading", share, journal.documents, journal.tokens))
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        self._journal.kept = self._files.sync()
        self._work.save(self._journal)
        self._saved = time.monotonic()


def _index(job: Import, work: WorkDirectory, journal: Journal, report: Report) -> Manifest | None:
    """The second part: token files to a store, or at least to a directory that says what it is."""
    with work.guard():
        if not job.index:
            write_description(job.description, work.path)
            return None
        if (work.path / MANIFEST).exists():  # it was killed just before it was published
            return read_manifest(work.path)

        def tell(phase: str, share: float) -> None:
            report(Progress(phase, share, journal.documents, journal.tokens))

        return index_directory(work.path, job.description, tell)


def _asked(job: Import, files: Sequence[Path]) -> dict[str, Any]:
    """What must be the same for an import to go on."""
    stats = [(str(file), file.stat()) for file in files]
    return {
        "name": job.name,
        "input files": [[path, found.st_size, found.st_mtime_ns] for path, found in stats],
        "--tokenizer": job.tokenizer.digest,
        "--stage": job.stage,
        "--licence": job.licence,
        "--text-field": job.text_field,
        "--memory": job.shard_bytes,
    }

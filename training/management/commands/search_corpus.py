"""`manage.py search_corpus QUERY`: the search page's results in a terminal."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.errors import TracingError
from tracing.marks import marked_parts
from tracing.search.presentation import to_json
from tracing.search.request import SearchRequest
from tracing.search.results import SearchResult, SearchResults
from training.search import search_corpus


class Command(BaseCommand):
    help = (
        'Searches the documents of the registered stores. QUERY is words, "phrases in quotes" and -excluded '
        "words; with an empty one everything that the filters let through is listed, newest first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("query", help="what to search for; after -- if it begins with a minus sign")
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--model", default="", help="a checkpoint: only what it was trained on")
        scope.add_argument("--store", nargs="+", default=[], help="only the stores of these names")
        parser.add_argument("--stage", nargs="+", default=[], help="only these stages")
        parser.add_argument("--licence", nargs="+", default=[], help="only these licences")
        parser.add_argument("--source", default="", help="only sources that begin so")
        parser.add_argument("--since", default="", help="only from this date on: 2024-05-17, 2024-05 or 2024")
        parser.add_argument("--until", default="", help="only up to this date")
        parser.add_argument("--any", action="store_true", help="any of the words, not all of them")
        parser.add_argument("--by-date", action="store_true", help="newest first, not the most relevant")
        parser.add_argument("--limit", default=10, type=int, help="how many results, 1 to 50 (default 10)")
        parser.add_argument("--page", default=1, type=int, help="which page of them (default 1)")
        parser.add_argument("--json", action="store_true", help="print what GET /api/search/ answers")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = search_corpus(request_of(options))
        except TracingError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(to_json(found), ensure_ascii=False))
        else:
            self.print_results(found)

    def print_results(self, found: SearchResults) -> None:
        for result in found.results:
            self.print_result(result)
        self.stdout.write(f"{found.total:,} passages" if found.total != 1 else "1 passage")
        for reason, count in sorted(found.withheld.items()):
            self.stdout.write(f"{count} not shown: {reason}")
        if not found.loading.is_finished:
            loading = f"{found.loading.documents:,} of {found.loading.of:,} documents are searchable yet."
            self.stderr.write(f"{loading} manage.py load_search loads the others.")

    def print_result(self, result: SearchResult) -> None:
        place = f"{result.store} {result.document:,}"
        if result.error:
            self.stdout.write(f"{place}: {result.error}\n\n")
            return
        facts = " · ".join(filter(None, [result.stage, result.source, result.licence, result.date, place]))
        marked = [self.style.SUCCESS(text) if is_match else text for is_match, text in parts(result)]
        self.stdout.write(f"{self.style.MIGRATE_HEADING(one_line(result.title))}\n{one_line(facts)}")
        self.stdout.write("".join(marked) + "\n\n")


def request_of(options: dict[str, Any]) -> SearchRequest:
    return SearchRequest(
        q=options["query"],
        model=options["model"],
        match="any" if options["any"] else "all",
        sort="date" if options["by_date"] else "relevance",
        stages=tuple(options["stage"]),
        stores=tuple(options["store"]),
        licences=tuple(options["licence"]),
        source=options["source"],
        since=options["since"],
        until=options["until"],
        page=options["page"],
        limit=options["limit"],
    )


def parts(result: SearchResult) -> list[tuple[bool, str]]:
    """The excerpt on one line, without characters that a terminal would obey."""
    return [(is_match, one_line(text)) for is_match, text in marked_parts(result.text, result.matches)]


def one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

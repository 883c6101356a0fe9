"""Our queries in tantivy's terms."""

from collections.abc import Iterable

import tantivy

from tracing.core.search.embedded.schema import SCHEMA
from tracing.core.search.query import Filters, Phrase, Query

Clause = tuple[tantivy.Occur, tantivy.Query]


def translate(query: Query) -> tantivy.Query:
    """The same question to an index of SCHEMA. Filters do not count for relevance."""
    clauses: list[Clause] = [
        (tantivy.Occur.Must, tantivy.Query.const_score_query(filtering, 0.0))
        for filtering in filters(query.filters)
    ]
    if query.phrases:
        clauses.append((tantivy.Occur.Must, combined(query)))
    clauses += [(tantivy.Occur.MustNot, phrase_query(phrase)) for phrase in query.excluded]
    return tantivy.Query.boolean_query(clauses)


def combined(query: Query) -> tantivy.Query:
    occur = tantivy.Occur.Must if query.match == "all" else tantivy.Occur.Should
    return tantivy.Query.boolean_query([(occur, phrase_query(phrase)) for phrase in query.phrases])


def phrase_query(phrase: Phrase) -> tantivy.Query:
    if len(phrase) == 1:
        return tantivy.Query.term_query(SCHEMA, "words", phrase[0])
    return tantivy.Query.phrase_query(SCHEMA, "words", list(phrase))


def filters(wanted: Filters) -> Iterable[tantivy.Query]:
    yield one_of("store", wanted.stores)
    if wanted.stages:
        yield one_of("stage", wanted.stages)
    if wanted.licences:
        yield one_of("licence", wanted.licences)
    if wanted.source:
        yield tantivy.Query.fuzzy_term_query(SCHEMA, "source", wanted.source, distance=0, prefix=True)
    if wanted.since or wanted.until:
        bounds = (max(1, wanted.since), wanted.until or 99_991_231)
        yield tantivy.Query.range_query(SCHEMA, "date", tantivy.FieldType.Unsigned, *bounds)


def one_of(field: str, values: tuple[str, ...]) -> tantivy.Query:
    if not values:
        return tantivy.Query.empty_query()
    return tantivy.Query.term_set_query(SCHEMA, field, list(values))

"""Our queries in Elasticsearch's terms."""

from typing import Any

from tracing.core.search.query import Filters, Phrase, Query


def translate(query: Query) -> dict[str, Any]:
    """The same question as a bool query. Filters do not count for relevance."""
    clauses: dict[str, Any] = {"filter": filters(query.filters)}
    found = [phrase_query(phrase) for phrase in query.phrases]
    if found and query.match == "all":
        clauses["must"] = found
    elif found:
        clauses |= {"should": found, "minimum_should_match": 1}
    if query.excluded:
        clauses["must_not"] = [phrase_query(phrase) for phrase in query.excluded]
    return {"bool": clauses}


def phrase_query(phrase: Phrase) -> dict[str, Any]:
    if len(phrase) == 1:
        return {"term": {"words": {"value": phrase[0]}}}
    return {"match_phrase": {"words": {"query": " ".join(phrase)}}}


def filters(wanted: Filters) -> list[dict[str, Any]]:
    clauses: list[dict[str, Any]] = [{"terms": {"store": list(wanted.stores)}}]
    if wanted.stages:
        clauses.append({"terms": {"stage": list(wanted.stages)}})
    if wanted.licences:
        clauses.append({"terms": {"licence": list(wanted.licences)}})
    if wanted.source:
        clauses.append({"prefix": {"source": {"value": wanted.source}}})
    if wanted.since or wanted.until:
        bounds = {"gte": max(1, wanted.since), "lte": wanted.until or 99_991_231}
        clauses.append({"range": {"date": bounds}})
    return clauses


def order(query: Query) -> list[Any]:
    """By score or date; equal ones by place, so that pages never overlap."""
    by_place = [{"rank": "desc"}, {"tie": "asc"}]
    return ["_score", *by_place] if query.by_relevance else by_place

"""Numbers that people read under a text: exact, honest at the ends, and the same whatever the script."""

import math
from typing import Any

import pytest

from playground.traces.ladder import ladder
from playground.traces.numbers import Numbers, one_in, whole_percent
from playground.traces.painting import by_kind

Json = dict[str, Any]


def span(text: str, part: str, stages: dict[str, int], log_probability: float = -20.0) -> Json:
    start = text.index(part)
    places = {"start": start, "end": start + len(part), "token_start": 0, "token_end": 1}
    found = {"text": part, "count": sum(stages.values()), "stages": stages, "documents": []}
    return places | found | {"log_probability": log_probability, "relevance": "high"}


def trace_of(spans: list[Json]) -> Json:
    indexes = [{"name": stage, "stage": stage} for stage in ("pretrain", "midtrain", "think-sft")]
    return {"spans": spans, "indexes": indexes, "coverage": {"novel_share": 0.25}, "documents": []}


def test_thinking_and_answer_are_counted_apart_by_their_letters() -> None:
    text = "<think>one two three four</think>\n\nfive six"
    trace = trace_of([span(text, "one two", {"pretrain": 1}), span(text, "five six", {"think-sft": 1})])
    numbers = Numbers.of(text, trace, is_answer=True)
    assert {part.name: part.percent for part in numbers.parts} == {"answer": 100, "thinking": 40}
    assert Numbers.of("五六", trace_of([]), is_answer=False).parts[0].percent == 0
    assert numbers.found_percent == 75


def test_the_longest_run_is_that_of_most_words_and_the_rarest_of_least_chance() -> None:
    text = "a b c d internationalisation"
    spans = [
        span(text, "a b c d", {"pretrain": 9}, -9.0),
        span(text, "internationalisation", {"pretrain": 1}, -40.0),
    ]
    numbers = Numbers.of(text, trace_of(spans), is_answer=False)
    assert numbers.longest
    assert numbers.rarest
    assert (numbers.longest.quote, numbers.longest.words) == ("a b c d", 4)
    assert numbers.rarest.quote == "internationalisation"


def test_a_run_in_several_stages_counts_for_each() -> None:
    text = "aa bb"
    spans = [span(text, "aa", {"pretrain": 5, "midtrain": 1}), span(text, "bb", {"midtrain": 2})]
    shares = Numbers.of(text, trace_of(spans), is_answer=False).stages
    assert [(share.stage, share.percent, share.runs) for share in shares] == [
        ("pretrain", 50, 1),
        ("midtrain", 100, 2),
        ("think-sft", 0, 0),
    ]


@pytest.mark.parametrize(
    ("tries", "words"),
    [
        (1, "a few"),
        (12, "12"),
        (950, "950"),
        (999, "1 thousand"),
        (1_500, "1.5 thousand"),
        (2e6, "2 million"),
        (7.04e10, "70 billion"),
        (9.99e11, "1 trillion"),
        (3e14, "300 trillion"),
        (1e37, "10³⁷"),
    ],
)
def test_chances_are_said_as_people_say_them(tries: float, words: str) -> None:
    assert one_in(-math.log(tries)) == words


def test_nearly_all_is_not_all_and_hardly_any_is_not_none() -> None:
    assert [whole_percent(found, 1000) for found in (0, 1, 500, 999, 1000)] == [0, 1, 50, 99, 100]
    assert whole_percent(0, 0) == 0


def test_the_ladder_has_a_rung_for_every_stage_with_the_first_step_that_saw_the_run() -> None:
    found = span("aa", "aa", {"pretrain": 30, "think-sft": 1}) | {"documents": [0, 1, 2]}
    documents = [
        {"stage": "pretrain", "seen": {"first_step": 40}},
        {"stage": "pretrain", "seen": {"first_step": 12}},
        {"stage": "think-sft", "seen": {"first_step": 7}},
    ]
    rungs = ladder(trace_of([found]) | {"documents": documents}, found)
    told = [(rung.stage, rung.count, rung.percent, rung.first_step, rung.all_seen) for rung in rungs]
    assert told == [
        ("pretrain", 30, 97, 12, False),
        ("midtrain", 0, 0, None, True),
        ("think-sft", 1, 3, 7, True),
    ]


def test_where_kinds_overlap_the_first_is_painted_and_no_letter_twice() -> None:
    wide, inner, next_to = {"start": 2, "end": 12}, {"start": 4, "end": 6}, {"start": 12, "end": 14}
    lit = by_kind([("a", "", [inner]), ("b", "", [wide, next_to])])
    assert [(part.start, part.end, part.css_class) for part in lit] == [
        (2, 4, "span b"),
        (4, 6, "span a"),
        (6, 14, "span b"),
    ]
    assert by_kind([("a", "", []), ("b", "", [])]) == []

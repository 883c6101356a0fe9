"""How many indexes answered, in words and in a terminal."""

from io import StringIO

from rich.console import Console

from tracing.core.indexes import Index, unanswered_words
from training.trace_terminal import print_trace

NEAR = Index("near", "pretrain", "sha256:1", 10, 1)
FAR = Index("far", "midtrain", "sha256:2", 10, 1, "its node did not answer within 5.0 s.")


def test_indexes_that_did_not_answer_are_counted_and_named_with_the_reason() -> None:
    indexes = [index.to_json() for index in (NEAR, FAR, NEAR)]
    assert indexes[1]["answered"] is False
    assert "reason" not in indexes[0]
    said = "2 of 3 indexes answered. far: its node did not answer within 5.0 s."
    assert unanswered_words(indexes) == said
    assert unanswered_words(indexes[:1]) == ""
    assert unanswered_words([{"name": "kept before there were nodes"}]) == ""


def test_a_terminal_says_which_did_not_answer_and_never_counts_it_as_searched() -> None:
    trace = {
        "text": "a",
        "token_ids": [1],
        "spans": [],
        "documents": [],
        "indexes": [NEAR.to_json(), FAR.to_json()],
        "coverage": {"share": 0.0, "longest_span_tokens": 0, "novel_share": 1.0},
        "timing_ms": {"total": 1.0},
    }
    output = StringIO()
    print_trace(trace, Console(file=output, width=200))
    assert "in near (10 tokens)\n" in output.getvalue()
    assert "1 of 2 indexes answered. far: its node did not answer" in output.getvalue()

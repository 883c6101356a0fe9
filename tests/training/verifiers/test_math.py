"""Mathematical answers: what counts as stated, what counts as equal, and what hostile text does (nothing)."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.verifiers.math import MathVerifier
from training.core.verifiers.statement import Unstated, last_statement, number_of
from training.core.verifiers.verdict import VerifierError


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    made = MathVerifier(timeout_s=2)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("<think>ones: 7 + 8 = 15. so 85.</think>The answer is 85.", "85"),
        ("First \\boxed{4}.\nNo, carry the one.\nThe answer is $\\boxed{5}$", 5),
        ("Answer: -7", "-7"),
        ("#### 1,234", "1234"),
        ("The answer is 12 apples.", "12"),
        ("The answer is ٤٢.", "42"),
        ("The answer is ４２.", "42"),
        ("The answer is \N{MINUS SIGN}3.", "-3"),
        ("The final answer is: 3/4", 0.75),
        ("\\boxed{50\\%}", "50"),
        ("So it is \\boxed{\\frac{1}{2}}", "0.5"),
        ("\\boxed{\\sqrt{8}}", "2\\sqrt{2}"),
        ("The answer is (x+1)^2.", "x^2+2x+1"),
        ("The answer is x = 4.", "4"),
        ("\\boxed{5!}", "120"),
        ("42", "42"),
    ],
)
def test_an_equal_answer_is_right(verifier: MathVerifier, answer: str, reference: str | float) -> None:
    verdict = verifier.verify(answer, reference)
    assert verdict.reward == 1, verdict.reason


@pytest.mark.parametrize(
    ("answer", "reference", "reason"),
    [
        ("The answer is 4 or 5.", "4", "does not settle"),
        ("Perhaps the answer is maybe 4.", "4", "does not settle"),
        ("\\boxed{4} and \\boxed{5}", "5", "more than one answer"),
        ("\\boxed{4} and \\boxed{5}", "4", "more than one answer"),
        ("The answer is 4. The answer is 5.", "5", "more than one answer"),
        ("First \\boxed{5}.\nThen \\boxed{4}.", "5", "'4' is not '5'"),
        ("The answer is 4², they say.", "42", "is not"),
        ("<think>The answer is 4.", "4", "never ends"),
        ("", "4", "no answer"),
        ("I like 4 and 5 and everything in between, and I will not say more.", "4", "no answer"),
        ("\\boxed{}", "4", "is not"),
        ("\\boxed{5!}", "5", "is not"),
        ("The answer is nan.", "5", "is not"),
        ("The answer is 5\\text{ or }4", "5", "does not settle"),
    ],
)
def test_a_hedged_or_wrong_answer_is_worth_nothing(
    verifier: MathVerifier, answer: str, reference: str, reason: str
) -> None:
    verdict = verifier.verify(answer, reference)
    assert verdict.reward == 0
    assert reason in verdict.reason


@pytest.mark.parametrize(
    "statement",
    [
        "10**10**10",
        "10^{10^{10^{10}}}",
        "1e999999999",
        "9" * 5000,
        "factorial(factorial(factorial(20)))",
        "10000!!!!!!!!",
        "__import__('os').kill(1, 9)",
        "\\sum_{n=1}^{10^{100}} \\sin(n)",
        "\\boxed{" * 3000,
        "(" * 250,
        "\x00",
        "\ud800",
    ],
)
def test_hostile_expressions_end_in_time_and_the_next_answer_is_still_checked(
    verifier: MathVerifier, statement: str
) -> None:
    assert verifier.verify(f"Answer: {statement}", "5").reward == 0
    assert verifier.verify(f"\\boxed{{{statement}}}", "5").reward == 0
    assert verifier.verify("The answer is $\\frac{10}{2}$.", "5").reward == 1


@given(st.text(max_size=300))
def test_no_text_makes_the_search_for_a_statement_fail(text: str) -> None:
    for whole in (text, f"The answer is {text}", f"\\boxed{{{text}"):
        with suppress(Unstated):
            assert last_statement(whole) is not None


@given(st.fractions(max_denominator=10**6), st.sampled_from(["", "The answer is ", "Answer: ", "#### "]))
def test_a_number_is_read_back_as_it_was_written(value: Fraction, words: str) -> None:
    assert number_of(last_statement(f"Well.\n{words or 'Answer: '}{value}")) == value


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_two_whole_numbers_are_equal_only_if_they_are(one: int, other: int) -> None:
    verdict = MathVerifier().verify(f"The answer is {one:,}.", str(other))
    assert verdict.reward == (one == other)


@pytest.mark.parametrize("reference", [None, True, [], "", " ", "1" * 301, {"math": "1"}])
def test_a_reference_that_is_no_expression_is_refused(verifier: MathVerifier, reference: object) -> None:
    with pytest.raises(VerifierError, match="math verifier"):
        verifier.check_reference(reference)

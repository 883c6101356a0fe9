"""Of several engines the least busy answers, or the one that has read the prompt's beginning."""

from hypothesis import given
from hypothesis import strategies as st

from playground.core.breaker import FAILURES, FIRST_REST_S, LONGEST_REST_S, Breaker
from playground.core.routing import BLOCK_TOKENS, SLACK, Candidate, Router

LONG = list(range(3 * BLOCK_TOKENS))
OTHER = list(range(7, 7 + 3 * BLOCK_TOKENS))


def idle(*slots: int) -> list[Candidate]:
    return [Candidate(slot, 0) for slot in slots]


def test_the_least_busy_engine_is_chosen() -> None:
    assert Router().choose([Candidate(0, 3), Candidate(1, 1), Candidate(2, 2)], [1, 2, 3]) == 1


def test_engines_that_are_as_busy_take_turns() -> None:
    router = Router()
    assert {router.choose(idle(0, 1, 2), [n]) for n in range(3)} == {0, 1, 2}


def test_a_prompt_goes_where_its_beginning_was_read() -> None:
    router = Router()
    first, other = router.choose(idle(0, 1), LONG), router.choose(idle(0, 1), OTHER)
    assert first != other
    assert router.choose(idle(0, 1), [*LONG, 1, 2]) == first
    assert router.choose(idle(0, 1), [*OTHER, 1, 2]) == other


def test_an_engine_with_a_crowd_is_left_alone_although_it_knows_the_prompt() -> None:
    router = Router()
    known = router.choose(idle(0, 1), LONG)
    crowded = [Candidate(known, SLACK + 1), Candidate(1 - known, 0)]
    assert router.choose(crowded, LONG) == 1 - known


def test_an_engine_that_began_anew_knows_nothing() -> None:
    router = Router()
    known = router.choose(idle(0, 1), LONG)
    router.forget(known)
    assert router.choose([Candidate(known, 1), Candidate(1 - known, 0)], LONG) == 1 - known


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100)), min_size=1), st.lists(st.integers(0, 3)))
def test_the_chosen_one_is_a_candidate_and_none_has_far_less_to_do(
    loads: list[tuple[int, int]], prompt: list[int]
) -> None:
    candidates = [Candidate(slot, load) for slot, load in dict(loads).items()]
    router = Router()
    for _ in range(3):
        chosen = router.choose(candidates, prompt * BLOCK_TOKENS)
        least = min(candidate.load for candidate in candidates)
        assert dict(loads)[chosen] <= least + max(SLACK, least // 2)


def test_an_engine_is_left_alone_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed("a", now=0)
        breaker.succeeded("a")
    assert breaker.rests_s("a", now=0) == 0
    for _ in range(FAILURES):
        breaker.failed("a", now=0)
    assert breaker.rests_s("a", now=0) == FIRST_REST_S
    assert breaker.rests_s("b", now=0) == 0


def test_after_its_rest_one_request_tries_it_for_all() -> None:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed("a", now=0)
    breaker.begin("a", now=FIRST_REST_S)
    assert breaker.rests_s("a", now=FIRST_REST_S) > 0
    breaker.succeeded("a")
    assert breaker.rests_s("a", now=FIRST_REST_S) == 0


def test_the_rest_grows_to_a_bound() -> None:
    breaker = Breaker()
    rests = []
    for _ in range(FAILURES + 100):
        breaker.failed("a", now=0)
        rests.append(breaker.rests_s("a", now=0))
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST_S

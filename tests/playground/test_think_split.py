"""Thinking and answer are found alike in a whole text and in one that comes in chunks, however it is cut."""

from itertools import combinations, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from playground.core.think_split import ThinkSplitter, split_thinking

# Pieces that make tags, near-tags, white space and ordinary text likely to meet.
PIECES = [
    "<think>",
    "</think>",
    "<thi",
    "nk>",
    "</",
    "think",
    "<",
    ">",
    " ",
    "\n",
    "\u00a0",
    "a",
    "7 + 8",
    "é",
    "𝄞",
]
texts = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


def in_chunks(chunks: list[str]) -> tuple[ThinkSplitter, str, str]:
    """The splitter after all chunks, and the concatenated additions to each part."""
    splitter, parts = ThinkSplitter(), {"thinking": "", "answer": ""}
    for added in [*(splitter.push(chunk) for chunk in chunks), splitter.finish()]:
        for part, text in added:
            parts[part] += text
    return splitter, parts["thinking"], parts["answer"]


def all_cuts(text: str) -> list[list[str]]:
    """Every way to cut a short text into chunks."""
    cuts = []
    for count in range(len(text)):
        for places in combinations(range(1, len(text)), count):
            edges = [0, *places, len(text)]
            cuts.append([text[a:b] for a, b in pairwise(edges)])
    return cuts


@pytest.mark.parametrize(
    "text",
    ["<think>a</think>b", " <think> a\n</think>\nb ", "<think>a</thinb", "<thin>ab", "</think>a<think>"],
)
def test_every_possible_cut_of_a_text_gives_the_parts_of_the_whole(text: str) -> None:
    whole = split_thinking(text)
    for chunks in all_cuts(text) if len(text) <= 17 else [list(text)]:
        splitter, thinking, answer = in_chunks(chunks)
        assert splitter.split == whole
        assert (thinking, answer) == (whole.thinking_text, whole.answer_text)


@given(texts, st.data())
def test_any_cut_of_any_text_gives_the_parts_of_the_whole(text: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)))
    chunks = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    splitter, thinking, answer = in_chunks(chunks)
    whole = split_thinking(text)
    assert splitter.split == whole
    assert (thinking, answer) == (whole.thinking_text, whole.answer_text)


@given(texts)
def test_one_character_at_a_time_gives_the_parts_of_the_whole(text: str) -> None:
    assert in_chunks(list(text))[0].split == split_thinking(text)


def parts_by_definition(text: str) -> tuple[str | None, str | None, bool]:
    """The module's definition, written down a second time without any state."""
    begun = text.lstrip()
    if not begun.startswith("<think>"):
        return None, text or None, False
    thinking, closing, answer = begun.removeprefix("<think>").partition("</think>")
    return thinking.strip(), answer.lstrip() or None, bool(closing)


@given(texts)
@example("<think>")
@example("<think> \n")
@example("  <think></think>  ")
@example("<think></thin</think>x")
def test_the_parts_are_those_of_the_definition(text: str) -> None:
    split = split_thinking(text)
    thinking = None if split.thinking is None else split.thinking_text
    answer = None if split.answer is None else split.answer_text
    assert (thinking, answer, split.thinking_closed) == parts_by_definition(text)


@given(texts)
def test_ranges_are_of_the_text_in_order_and_apart(text: str) -> None:
    split = split_thinking(text)
    edges = [*(split.thinking or ()), *(split.answer or ())]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)


@given(texts)
def test_what_was_shown_of_a_growing_text_is_never_taken_back(text: str) -> None:
    final = split_thinking(text)
    for length in range(len(text)):
        growing = split_thinking(text[:length], final=False)
        assert final.thinking_text.startswith(growing.thinking_text)
        assert final.answer_text.startswith(growing.answer_text)


def test_an_answer_without_thinking_keeps_its_white_space() -> None:
    assert split_thinking("    return x\n").answer == (0, 13)


def test_unclosed_thinking_has_no_answer() -> None:
    split = split_thinking("<think>\nones: 7 + 8 = 15. ")
    assert (split.thinking_text, split.answer, split.thinking_closed) == ("ones: 7 + 8 = 15.", None, False)


def test_tags_mentioned_in_the_answer_stay_in_it() -> None:
    split = split_thinking("<think>hm</think>\n\nWrite <think> and </think>.")
    assert (split.thinking_text, split.answer_text) == ("hm", "Write <think> and </think>.")

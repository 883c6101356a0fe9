"""Documents in passages and excerpts, on real stores: nothing is lost, and places are what they say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.passages import query
from tests.tracing.support.stores import stores_of, text_tokenizer
from tests.tracing.support.texts import texts
from tracing.core.documents.view import read_document
from tracing.core.search.excerpts import cut_excerpt, marks_of
from tracing.core.search.index import Hit
from tracing.core.search.passages import PASSAGE_TOKENS, cut, passages_of
from tracing.core.search.words import words_of
from tracing.core.stores.store import TokenStore

LONG = " ".join(f"word{k}" + ("\n" if k % 40 == 0 else "") for k in range(2000))


def ids(text: str) -> list[int]:
    return text_tokenizer().encode(text)[0]


def first_hit(store: TokenStore, document: int, passage: int = 0) -> Hit:
    found = list(passages_of(store, document, text_tokenizer()))[passage]
    return Hit(found.store, document, found.number, found.start, found.stop, 1.0)


def test_passages_join_to_the_document_and_break_no_word() -> None:
    with stores_of([ids(LONG), [], ids("short")]) as [store]:
        made = list(passages_of(store, 0, text_tokenizer()))
        assert len(made) > 3
        assert [p.start for p in made] == [0, *(p.stop for p in made[:-1])]
        assert made[-1].stop == store.token_ids(0).size
        assert all(0 < p.stop - p.start <= PASSAGE_TOKENS for p in made)
        assert " ".join(p.words for p in made).split() == words_of(LONG)
        assert [(p.start, p.stop, p.words) for p in passages_of(store, 1, text_tokenizer())] == [(0, 0, "")]
        assert [p.words for p in passages_of(store, 2, text_tokenizer())] == ["short"]


@settings(max_examples=25, deadline=None)
@given(texts(40), st.integers(1, 60))
def test_any_tokens_are_cut_into_ranges_that_follow_each_other(token_ids: list[int], times: int) -> None:
    with stores_of([token_ids * times]) as [store]:
        tokens = store.token_ids(0)
        ranges = list(cut(tokens, text_tokenizer()))
        assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
        assert ranges[-1][1] == tokens.size
        assert all(0 < stop - start <= PASSAGE_TOKENS for start, stop in ranges) or not token_ids


def test_text_without_spaces_is_cut_between_characters() -> None:
    with stores_of([ids("日本語" * 900)]) as [store]:
        made = list(passages_of(store, 0, text_tokenizer()))
        assert len(made) > 1
        assert "".join(p.words for p in made).replace(" ", "") == "日本語" * 900


def test_special_tokens_and_tags_are_no_words_of_a_document() -> None:
    text = "<|im_start|>user fish?<|im_end|><think>pond</think>"
    with stores_of([ids(text)]) as [store]:
        [passage] = passages_of(store, 0, text_tokenizer())
        assert "im_start" not in passage.words
        assert passage.words.endswith("pond")
        excerpt = cut_excerpt(store, first_hit(store, 0), text_tokenizer(), query("pond"))
        assert "<" not in excerpt.text
        marked = store.token_ids(0)[excerpt.start : excerpt.stop]
        assert text_tokenizer().decode(marked)[0].strip() == "pond"


def test_fields_come_from_the_document_and_else_from_its_store() -> None:
    with stores_of([ids("a")], stage="midtrain", licence="MIT") as [store]:
        [passage] = passages_of(store, 0, text_tokenizer())
        assert (passage.stage, passage.licence, passage.source) == ("midtrain", "MIT", "part.py:0")
        assert passage.store == store.manifest.digest


@pytest.mark.parametrize("words", ["word700", '"word700 word701"', "word1999", "word0", "word1204 word1205"])
def test_an_excerpt_marks_the_words_and_leads_to_their_page(words: str) -> None:
    asked = query(words)
    with stores_of([ids(LONG)]) as [store]:
        made = list(passages_of(store, 0, text_tokenizer()))
        place = next(k for k, p in enumerate(made) if asked.phrases[0][0] in p.words.split())
        excerpt = cut_excerpt(store, first_hit(store, 0, place), text_tokenizer(), asked)
        marked = [words_of(excerpt.text[a:b]) for a, b in excerpt.matches]
        assert marked == [list(phrase) for phrase in asked.phrases]
        assert len(excerpt.text) < 450
        highlight = store.token_ids(0)[excerpt.start : excerpt.stop]
        view = read_document(store, 0, text_tokenizer(), highlight)
        assert words_of(view.text[slice(*view.matches[0])]) == list(asked.phrases[0])


def test_an_excerpt_shows_where_most_phrases_stand_together() -> None:
    text = "red " + "a " * 300 + "red blue fish " + "a " * 100
    with stores_of([ids(text)]) as [store]:
        excerpt = cut_excerpt(store, first_hit(store, 0), text_tokenizer(), query("fish red blue"))
        assert [excerpt.text[a:b] for a, b in excerpt.matches] == ["red", "blue", "fish"]
        assert excerpt.text.startswith("…")


def test_an_excerpt_without_words_is_the_beginning() -> None:
    with stores_of([ids(LONG), []]) as [store]:
        excerpt = cut_excerpt(store, first_hit(store, 0), text_tokenizer(), query(""))
        assert excerpt.text.startswith("word0")
        assert (excerpt.matches, excerpt.start, excerpt.stop) == ([], 0, 0)
        assert cut_excerpt(store, first_hit(store, 1), text_tokenizer(), query("")).text == ""


@given(st.text(max_size=60), st.sampled_from(["a", "red fish", '"red fish"', "日本 é"]))
def test_marks_are_where_the_words_stand(text: str, words: str) -> None:
    text = f"{text} red fish {text}"
    phrases = query(words).phrases
    for start, end, phrase in marks_of(text, phrases):
        assert tuple(words_of(text[start:end])) == phrase

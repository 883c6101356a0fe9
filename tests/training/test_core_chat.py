"""Conversations are the same ids in training and in serving, and the loss is taken on the assistant alone."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tracing.core.text.tokenizer import TextTokenizer
from training.core.chat import (
    CHATML,
    PLAIN,
    SPECIAL_TOKENS,
    Turn,
    prompt_chatml,
    render_chatml,
    render_plain,
    token_range,
)
from training.core.errors import RecipeError
from training.core.tokenizer import save_tokenizer, special_id, train_tokenizer, write_template

TEXTS = [
    "os.path.join(a, *p)\n\nJoin two or more pathname components, inserting '/' as needed.\n    return x\n",
    "ones: 7 + 8 = 15. carry 1. tens: 4 + 3 + 1 = 8. so 85.\n\nThe answer is 85.",
    "What does textwrap.dedent do? Remove any common leading whitespace from every line in `text`.",
] * 20
CONVERSATIONS = [
    [
        Turn("user", "What is 47 + 38?"),
        Turn("assistant", "<think>ones: 7 + 8 = 15.</think>The answer is 85."),
    ],
    [
        Turn("system", "Be brief."),
        Turn("user", "Hi\n\nthere"),
        Turn("assistant", "Hello."),
        Turn("user", "2?"),
    ],
    [Turn("user", "a\n"), Turn("assistant", "naïve – “quoted” 漢字 🙂\n\n    code()"), Turn("user", " b ")],
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


WITH_FUNCTIONS = "chatml with a place for functions"


@pytest.fixture(scope="module", params=[PLAIN, CHATML, WITH_FUNCTIONS])
def served(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """(form, transformers' tokenizer from the saved directory), as an engine opens it."""
    folder = tmp_path_factory.mktemp(request.param)
    form = CHATML if request.param == WITH_FUNCTIONS else request.param
    save_tokenizer(tokenizer, folder, chat=form)
    write_template(folder, chat=form, functions=request.param == WITH_FUNCTIONS)
    return form, AutoTokenizer.from_pretrained(folder)


def messages(turns: list[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_the_chat_template_gives_the_ids_of_training(
    served: Any, tokenizer: Tokenizer, turns: list[Turn]
) -> None:
    form, engine = served
    text = render_plain(turns) if form == PLAIN else render_chatml(turns).text
    ids = engine.apply_chat_template(messages(turns), tokenize=True, return_dict=False)
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("turns", CONVERSATIONS)
@pytest.mark.parametrize("answer", ["Return the length.", "<think>x</think>5", "85"])
def test_a_prompt_is_the_beginning_of_what_was_trained_on(
    served: Any, tokenizer: Tokenizer, turns: list[Turn], answer: str
) -> None:
    form, engine = served
    whole = [*turns, Turn("assistant", answer)]
    text = render_plain(whole) if form == PLAIN else render_chatml(whole).text
    trained = tokenizer.encode(text, add_special_tokens=False).ids
    prompt = engine.apply_chat_template(
        messages(turns), tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert prompt == trained[: len(prompt)]
    ours = render_plain(turns, prompt=True) if form == PLAIN else prompt_chatml(turns)
    assert prompt == tokenizer.encode(ours, add_special_tokens=False).ids


def test_plain_text_has_no_chat_tokens(tokenizer: Tokenizer) -> None:
    ids = set(tokenizer.encode(render_plain(CONVERSATIONS[1], prompt=True)).ids)
    assert not ids & {special_id(tokenizer, token) for token in SPECIAL_TOKENS}


def test_thinking_stays_visible_where_special_tokens_are_dropped(served: Any) -> None:
    _, engine = served
    text = "<|im_start|>assistant\n<think>a</think>b<|im_end|>"
    assert engine.decode(engine.encode(text), skip_special_tokens=True) == "assistant\n<think>a</think>b"
    assert len(engine.encode("<think>")) == len(engine.encode("</think>")) == 1


def test_generation_ends_with_a_turn_and_padding_has_a_token_of_its_own(served: Any) -> None:
    _, engine = served
    assert engine.eos_token == "<|im_end|>"
    assert engine.pad_token_id not in (engine.eos_token_id, engine.bos_token_id)


@given(st.text())
def test_every_text_survives_the_round_trip(text: str) -> None:
    tokenizer = _trained()
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def _trained(cache: list[Tokenizer] = []) -> Tokenizer:  # noqa: B006  (hypothesis allows no fixture here)
    if not cache:
        cache.append(train_tokenizer(TEXTS, 400))
    return cache[0]


@given(st.integers(0, 10**12))
def test_digits_stand_alone(number: int) -> None:
    assert len(_trained().encode(str(number)).ids) == len(str(number))


def test_tracing_reads_the_tokenizer_alike(tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path, chat=CHATML)
    text = render_chatml(CONVERSATIONS[2]).text
    ids, _ = TextTokenizer.open(tmp_path).encode(text)
    assert ids == tokenizer.encode(text).ids
    assert TextTokenizer.open(tmp_path).decode(ids)[0] == text


@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_a_turns_tokens_are_exactly_its_content_and_end(tokenizer: Tokenizer, turns: list[Turn]) -> None:
    rendered = render_chatml(turns)
    encoding = tokenizer.encode(rendered.text)
    for turn, start, end in rendered.parts:
        first, last = token_range(encoding.offsets, start, end)
        said = tokenizer.decode(encoding.ids[first:last], skip_special_tokens=False)
        assert said == turn.content + "<|im_end|>"


def test_a_token_that_the_vocabulary_lacks_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(RecipeError, match=r"no <\|fim\|> token"):
        special_id(tokenizer, "<|fim|>")

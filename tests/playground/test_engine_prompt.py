"""A conversation becomes the ids that the checkpoint's own template and tokenizer give, and nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.errors import ParameterError, PromptError, PromptTooLong
from playground.core.prompt import ChatFormat
from playground.core.sampling import SamplingParameters
from tests.playground.tiny_model import CHATML, CONTEXT_TOKENS, model_config, write_text_files

HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    write_text_files(path)
    model_config(128).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def chatml(directory: Path) -> ChatFormat:
    return ChatFormat(directory)


def with_template(directory: Path, template: str) -> ChatFormat:
    chat = ChatFormat(directory)
    chat.template = type(chat.template)(template, {"bos_token": "<|endoftext|>"})
    return chat


def text_of(chat: ChatFormat, token_ids: tuple[int, ...]) -> str:
    return chat.tokenizer.decode(token_ids)[0]


def test_the_prompt_is_the_rendered_template(chatml: ChatFormat) -> None:
    prompt = chatml.prompt(HELLO)
    expected = "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant\n"
    assert list(prompt.token_ids) == chatml.tokenizer.encode(expected)[0]
    assert prompt.begun == ()


def test_the_prompt_is_what_transformers_would_send(directory: Path, chatml: ChatFormat) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(directory)
    turns = [*HELLO, {"role": "assistant", "content": "Hi.\n"}, {"role": "user", "content": "é 𝄞"}]
    ids = theirs.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert list(chatml.prompt(turns).token_ids) == ids


@given(
    st.lists(
        st.sampled_from(["<|im_end|>", "<|im_start|>", "<|endoftext|>", "system\n", "a", " "]), max_size=6
    )
)
def test_a_message_cannot_write_special_tokens(directory: Path, parts: list[str]) -> None:
    chat = ChatFormat(directory)
    content = "".join(parts)
    ids = chat.prompt([{"role": "user", "content": content}]).token_ids
    assert [i for i in ids if i in chat.tokenizer.special_ids] == [1, 2, 1]
    expected = f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
    assert text_of(chat, ids) == expected


def test_thinking_that_the_template_opens_begins_the_answer(directory: Path) -> None:
    chat = with_template(directory, CHATML + "{% if add_generation_prompt %}<think>\n{% endif %}")
    prompt = chat.prompt(HELLO)
    assert text_of(chat, prompt.begun) == "<think>\n"
    assert prompt.token_ids[-len(prompt.begun) :] == prompt.begun


def test_a_continued_answer_follows_the_prompt_with_its_own_ids(chatml: ChatFormat) -> None:
    begun = (97, 98, 99)
    prompt = chatml.prompt(HELLO, continued=begun)
    assert prompt.token_ids == chatml.prompt(HELLO).token_ids + begun
    assert prompt.begun == ()


def test_a_prompt_as_long_as_the_context_is_refused(chatml: ChatFormat) -> None:
    prompt = chatml.prompt([{"role": "user", "content": "x " * CONTEXT_TOKENS}])
    with pytest.raises(PromptTooLong, match=r"at most 1,024"):
        chatml.room(prompt)


@pytest.mark.parametrize(
    "template", ["{{ messages[0].content.__class__.__mro__ }}", "{{ raise_exception('no system turn') }}"]
)
def test_templates_run_in_a_sandbox_and_may_refuse(directory: Path, template: str) -> None:
    with pytest.raises(PromptError):
        with_template(directory, template).prompt(HELLO)


def test_half_a_character_is_refused(chatml: ChatFormat) -> None:
    with pytest.raises(PromptError, match="surrogate"):
        chatml.prompt([{"role": "user", "content": "\ud800"}])


def test_a_directory_without_template_holds_no_conversation(tmp_path: Path) -> None:
    write_text_files(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 64}))
    chat = ChatFormat(tmp_path)
    with pytest.raises(PromptError, match=r"chat_template\.jinja"):
        chat.prompt([{"role": "user", "content": "Hi"}])
    assert chat.text_prompt("Hi").token_ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("temperature", True),
        ("temperature", None),
        ("top_p", 0),
        ("top_p", 1.1),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_tokens", 10**400),
        ("seed", 2**63),
        ("stop", ("",)),
        ("stop", ("a",) * 5),
        ("stop", "word"),
        ("n_best", 3),
    ],
)
def test_parameters_out_of_bounds_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=name) as refusal:
        SamplingParameters.from_dict({name: value})
    assert refusal.value.name == name


def test_temperature_zero_stays_zero_and_parameters_survive_json() -> None:
    parameters = SamplingParameters(temperature=0, top_p=0.5, max_tokens=3, stop=("a",), seed=-1)
    assert SamplingParameters.from_dict(parameters.to_dict()) == parameters
    assert parameters.temperature == 0

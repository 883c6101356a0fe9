"""What shapes an answer beside its prompt: parameters within bounds, and what templates are told."""

from typing import Any

import pytest

from playground.core.answering import AnswerParameters
from playground.core.chat_template import ChatTemplate
from playground.core.errors import ParameterError
from playground.core.thinking_controls import ThinkingControls

# The parts of published templates that read the variables, shortened.
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
GPT_OSS = (
    "{% macro system() %}{% if reasoning_effort is not defined %}{% set reasoning_effort = 'medium' %}"
    "{% endif %}Reasoning: {{ reasoning_effort }}\n{% endmacro %}"
    "{{ system() }}{% for m in messages %}{{ m.content }}{% endfor %}"
)
GRANITE = "{% if thinking %}Think first.\n{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
MUTE = "{% for m in messages %}{{ m.content }}{% endfor %}"
HELLO = [{"role": "user", "content": "Hello"}]


def controls(source: str) -> ThinkingControls:
    return ThinkingControls.of(ChatTemplate(source, {}).variables)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (QWEN3, ThinkingControls(switch="enable_thinking")),
        (GPT_OSS, ThinkingControls(effort="reasoning_effort")),
        (GRANITE, ThinkingControls(switch="thinking")),
        (MUTE, ThinkingControls()),
    ],
)
def test_a_template_says_what_it_can_be_told(source: str, found: ThinkingControls) -> None:
    assert controls(source) == found


@pytest.mark.parametrize(
    ("source", "thinking", "effort", "written"),
    [
        (QWEN3, False, "", "<think>\n\n</think>\n\n"),
        (GRANITE, True, "", "Think first."),
        (GPT_OSS, None, "high", "Reasoning: high"),
    ],
)
def test_what_is_chosen_reaches_the_prompt(
    source: str, thinking: bool | None, effort: str, written: str
) -> None:
    template, options = ChatTemplate(source, {}), controls(source).options(thinking, effort)
    assert written in template.render(HELLO, **options)
    assert written not in template.render(HELLO)


def test_a_template_that_cannot_be_told_is_told_nothing() -> None:
    assert controls(MUTE).options(thinking=False, effort="low") == {}


def test_parameters_come_back_as_they_were_kept() -> None:
    kept = {"temperature": 0, "system": "Be brief.", "thinking": False, "effort": "low", "stop": ["\n"]}
    read = AnswerParameters.from_dict(kept)
    assert read.sampling.temperature == 0
    assert AnswerParameters.from_dict(read.to_dict()) == read


def test_what_nobody_chose_is_not_kept() -> None:
    assert not {"system", "thinking", "effort"} & AnswerParameters().to_dict().keys()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"system": 5}, "system is 5; it must be a text"),
        ({"system": "x" * 20_000}, "20,000 characters; at most 16,000 fit"),
        ({"thinking": "yes"}, "thinking is 'yes'; it must be true or false"),
        ({"effort": "utmost"}, "effort is 'utmost'; it must be one of low, medium, high"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"template": "{{ 1 }}"}, "'template' is not a sampling parameter"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_reason(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        AnswerParameters.from_dict(values)

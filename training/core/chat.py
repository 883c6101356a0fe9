"""How conversations are written for training and for serving: the same text, so the same token ids.

Two forms. *plain*: turns joined by blank lines, which base models were trained on and no special token
appears in. *chatml*: `<|im_start|>role`, a newline, the content, `<|im_end|>` and a newline, for models after
SFT. Of models that were taught functions, chatml's template has a place for them (`training.core.functions`).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from training.core.functions import SYSTEM

PAD, END_OF_TEXT, TURN_START, TURN_END = "<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (PAD, END_OF_TEXT, TURN_START, TURN_END)
# Ordinary entries, which stay visible when special tokens are dropped: the stream is split at them.
THINK_TOKENS = ("<think>", "</think>")
PLAIN, CHATML = "plain", "chatml"

TEMPLATES = {
    PLAIN: (
        "{{ messages | map(attribute='content') | join('\\n\\n') }}"
        "{% if add_generation_prompt %}{{ '\\n\\n' }}{% endif %}"
    ),
    CHATML: (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
}

WITH_FUNCTIONS = (
    "{% if tools and (not messages or messages[0]['role'] != 'system') %}"
    "{{ '<|im_start|>system\\n" + SYSTEM + "<functions>' + (tools | tojson) + '</functions><|im_end|>\\n' }}"
    "{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}"
    "{% if loop.first and message['role'] == 'system' and tools %}"
    "{{ '<functions>' + (tools | tojson) + '</functions>' }}"
    "{% endif %}"
    "{% if message.get('function_calls') %}"
    "{{ '<function_calls>' + message['function_calls'] + '</function_calls>' }}"
    "{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The template of chatml with a place for functions."""


def template_of(chat: str, *, functions: bool = False) -> str:
    """The Jinja template of a checkpoint that is spoken to so."""
    return WITH_FUNCTIONS if functions and chat == CHATML else TEMPLATES[chat]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: str
    content: str
    learned: bool = True
    """Whether an assistant's turn is trained on; an earlier one may be there only to be followed."""


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, and `[start, end)` of each turn's content and the `<|im_end|>` after it."""

    text: str
    parts: tuple[tuple[Turn, int, int], ...]


def render_plain(turns: Sequence[Turn], *, prompt: bool = False) -> str:
    """Turns joined by blank lines; with `prompt`, ready for the next turn."""
    return "\n\n".join(turn.content for turn in turns) + ("\n\n" if prompt else "")


def render_chatml(turns: Sequence[Turn]) -> Rendered:
    text, parts = "", list[tuple[Turn, int, int]]()
    for turn in turns:
        text += f"{TURN_START}{turn.role}\n"
        start = len(text)
        text += f"{turn.content}{TURN_END}"
        parts.append((turn, start, len(text)))
        text += "\n"
    return Rendered(text, tuple(parts))


def prompt_chatml(turns: Sequence[Turn]) -> str:
    """What an engine is given: the conversation so far, and the start of the assistant's turn."""
    return f"{render_chatml(turns).text}{TURN_START}assistant\n"


def token_range(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The tokens whose characters lie inside `[start, end)`. `offsets`: `(start, end)` of characters, one a
    token."""
    first, last = (bisect_left(offsets, place, key=itemgetter(0)) for place in (start, end))
    return first, last

"""The formats that rows come in, told apart by their keys: OpenAI's, TRL's, and those of our evaluations."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from training.core.chat import Turn
from training.core.datasets.functions import offered, signatures_of
from training.core.datasets.parsing import shown
from training.core.datasets.problems import RowError
from training.core.datasets.rewards import REFERENCES, reward_of
from training.core.datasets.rows import ChatRow, PreferenceRow, PromptRow, Row, Turns
from training.core.datasets.texts import check_answered, check_waiting, text_of, turns_of
from training.core.verifiers.verifiers import Verifiers

ORIGIN_CHARACTERS_MAX = 200
PREFERENCE_KEYS = {"preferred_output", "non_preferred_output", "chosen", "rejected"}


def read_row(row: Mapping[str, Any], verifiers: Verifiers) -> Row:
    """The checked row. Raises RowError."""
    return replace(read_format(row, verifiers), origin=origin_of(row))


def origin_of(row: Mapping[str, Any]) -> str:
    """What the row says of how it came to be, on one line; nothing where that is no text."""
    origin = row.get("origin")
    return " ".join(origin.split())[:ORIGIN_CHARACTERS_MAX] if isinstance(origin, str) else ""


def read_format(row: Mapping[str, Any], verifiers: Verifiers) -> Row:
    if PREFERENCE_KEYS & row.keys():
        return read_preference(row)
    if REFERENCES.keys() & row.keys() or "verifier" in row:
        return read_prompt(row, verifiers)
    return read_chat(row)


def read_chat(row: Mapping[str, Any]) -> ChatRow:
    """{"messages"}, or TRL's {"prompt", "completion"}."""
    signatures = signatures_of(row)
    if "messages" not in row and {"prompt", "completion"} <= row.keys():
        turns = (*asked_of(row["prompt"], "prompt"), *answer_of(row["completion"], "completion"))
        return ChatRow(offered(turns, signatures))
    if "messages" not in row:
        keys = ", ".join(shown(key) for key in list(row)[:5]) or "none"
        raise RowError(
            "shape", f"the row has no messages (its keys: {keys}): docs/datasets.md shows what rows look like"
        )
    turns = turns_of(row["messages"], "messages")
    check_answered(turns, "messages")
    return ChatRow(offered(turns, signatures))


def read_preference(row: Mapping[str, Any]) -> PreferenceRow:
    """OpenAI's {"input", "preferred_output", "non_preferred_output"}, or TRL's {"prompt", "chosen",
    "rejected"}, whose prompt may also be what both conversations begin with."""
    names = ("chosen", "rejected")
    if "preferred_output" in row or "non_preferred_output" in row:
        names = ("preferred_output", "non_preferred_output")
    if missing := [name for name in names if name not in row]:
        raise RowError("shape", f"a preference needs both {names[0]} and {names[1]}: it has no {missing[0]}")
    prompt = prompt_of(row, names)
    answers = [answer_of(row[name], name) for name in names]
    if prompt is None:
        prompt, answers = shared_start(*answers)
    check_waiting(prompt, "the prompt")
    if [turn.content for turn in answers[0]] == [turn.content for turn in answers[1]]:
        raise RowError("no-answer", f"{names[0]} and {names[1]} are the same: there is nothing to prefer")
    asked = row.get("input")
    signatures = signatures_of(asked, "input.") if isinstance(asked, Mapping) else signatures_of(row)
    return PreferenceRow(offered(prompt, signatures), answers[0], answers[1])


def prompt_of(row: Mapping[str, Any], names: tuple[str, ...]) -> Turns | None:
    """What was asked; None where both answers are whole conversations that say so."""
    if names[0] == "preferred_output":
        asked = row.get("input")
        if not isinstance(asked, Mapping) or "messages" not in asked:
            raise RowError("shape", "a preference in OpenAI's format needs input, an object with messages")
        return turns_of(asked["messages"], "input.messages")
    if "prompt" in row:
        return asked_of(row["prompt"], "prompt")
    if isinstance(row["chosen"], list) and isinstance(row["rejected"], list):
        return None
    raise RowError("shape", "a preference needs a prompt: what both were the answers to")


def asked_of(value: Any, where: str) -> Turns:
    """A prompt: messages, or a text that a user says."""
    if isinstance(value, list):
        turns = turns_of(value, where)
        check_waiting(turns, where)
        return turns
    return (Turn("user", text_of(value, where)),)


def answer_of(value: Any, where: str) -> Turns:
    """An answer: messages that end with the assistant's, or a text that the assistant says."""
    if isinstance(value, list):
        turns = turns_of(value, where)
        check_answered(turns, where)
        return turns
    return (Turn("assistant", text_of(value, where)),)


def shared_start(chosen: Turns, rejected: Turns) -> tuple[Turns, list[Turns]]:
    """What both conversations begin with, and what each goes on with."""
    shared = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if (one.role, one.content) != (other.role, other.content):
            break
        shared += 1
    if not shared:
        raise RowError("shape", "chosen and rejected begin with different messages: give a prompt")
    return chosen[:shared], [chosen[shared:], rejected[shared:]]


def read_prompt(row: Mapping[str, Any], verifiers: Verifiers) -> PromptRow:
    """{"messages"} or {"prompt"}, with a verifier and what it compares answers with."""
    if signatures_of(row):
        raise RowError("tools", "a prompt to be rewarded offers functions: nobody would answer their calls")
    if ("messages" in row) == ("prompt" in row):
        raise RowError("shape", "a prompt to be rewarded needs messages or prompt, one of them")
    name = "messages" if "messages" in row else "prompt"
    turns = asked_of(row[name], name)
    if name == "messages" and not isinstance(row[name], list):
        raise RowError("shape", "messages is a text: write a list of messages, or call it prompt")
    verifier, reference = reward_of(row, verifiers)
    return PromptRow(turns, verifier, reference)

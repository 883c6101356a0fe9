"""A checkpoint's own chat template, rendered as Hugging Face does it, in jinja2's sandbox.

Templates come from checkpoints' directories only, never from a client.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, meta
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from playground.core.errors import PromptError

FILE_NAME = "chat_template.jinja"


class ChatTemplate:
    """`tokens` are the special tokens that templates name, such as bos_token; `variables` all they read."""

    def __init__(self, source: str, tokens: Mapping[str, str]) -> None:
        self._template = compile_template(source)
        self._tokens = dict(tokens)
        self.variables = variables_of(source)

    @classmethod
    def open(cls, directory: Path) -> "ChatTemplate":
        """Read a checkpoint's template; PromptError where it has none."""
        configuration = read_json(directory / "tokenizer_config.json")
        path = directory / FILE_NAME
        source = path.read_text() if path.is_file() else configuration.get("chat_template")
        if not isinstance(source, str):
            raise PromptError(f"{directory.name} has no {FILE_NAME}: it cannot hold a conversation.")
        return cls(source, special_tokens(configuration))

    def render(self, messages: Sequence[Mapping[str, str]], **options: Any) -> str:
        """The conversation as text, ending where the assistant's turn begins.

        `options` are further variables for the template, such as enable_thinking. Ours, never a client's own.
        """
        given = {"tools": None, **options, **self._tokens}  # as transformers: templates ask `is not none`
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **given)
        except TemplateError as error:
            raise PromptError(f"The model's chat template refuses this conversation: {error}") from error


def environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def compile_template(source: str) -> Template:
    try:
        return environment().from_string(source)
    except TemplateError as error:
        raise PromptError(f"The model's chat template cannot be read: {error}") from error


def variables_of(source: str) -> frozenset[str]:
    """The names that a template expects to be given."""
    return frozenset(meta.find_undeclared_variables(environment().parse(source)))


def to_json(value: Any, **options: Any) -> str:
    """As transformers does it: unlike jinja2's own, without HTML escapes."""
    return json.dumps(value, ensure_ascii=False, **options)


def raise_exception(message: str) -> None:
    raise TemplateError(message)


def special_tokens(configuration: Mapping[str, Any]) -> dict[str, str]:
    """bos_token, eos_token and the like; some files write a token as an object with its text in `content`."""
    tokens = {name: value for name, value in configuration.items() if name.endswith("_token")}
    texts = {
        name: value.get("content") if isinstance(value, dict) else value for name, value in tokens.items()
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def read_json(path: Path) -> dict[str, Any]:
    """An object from a file; empty where there is no such file."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise PromptError(f"{path} is not JSON ({error}): restore the checkpoint.") from error
    return content if isinstance(content, dict) else {}

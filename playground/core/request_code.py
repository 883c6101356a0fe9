"""A request to /v1 as somebody would type it: for curl, and for OpenAI's Python package."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

from playground.core.answering import AnswerParameters

KEY = "HEADWATER_API_KEY"
WIDTH = 80


@dataclass(frozen=True)
class ChatCall:
    """What is asked. `base_url` ends in /v1; `template_options` are what the model's template is told.

    The key is no part of it: both forms read it from the environment.
    """

    base_url: str
    model: str
    messages: Sequence[Mapping[str, str]]
    parameters: AnswerParameters
    template_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """The body, without what is OpenAI's default anyway."""
        sampling = self.parameters.sampling
        chosen = {
            "max_tokens": sampling.max_tokens,
            "top_p": None if sampling.top_p == 1 else sampling.top_p,
            "stop": list(sampling.stop) or None,
            "seed": sampling.seed,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        messages = [dict(message) for message in self.messages]
        return {"model": self.model, "messages": messages, "temperature": sampling.temperature, **given}

    @property
    def extra(self) -> dict[str, Any]:
        """What OpenAI's API has no name for."""
        return {"chat_template_kwargs": dict(self.template_options)} if self.template_options else {}

    def as_curl(self) -> str:
        body = json.dumps({**self.arguments, **self.extra}, ensure_ascii=False, indent=2)
        return (
            f"curl {shlex.quote(self.base_url + '/chat/completions')} \\\n"
            f'  -H "Authorization: Bearer ${KEY}" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f"  -d {shlex.quote(body)}\n"
        )

    def as_python(self) -> str:
        """For the `openai` package."""
        arguments = {**self.arguments, **({"extra_body": self.extra} if self.extra else {})}
        lines = "".join(f"    {name}={indented(value)},\n" for name, value in arguments.items())
        return (
            "import os\n\nfrom openai import OpenAI\n\n"
            f'client = OpenAI(base_url={self.base_url!r}, api_key=os.environ["{KEY}"])\n'
            f"answer = client.chat.completions.create(\n{lines})\n"
            "print(answer.choices[0].message.content)\n"
        )


def indented(value: Any) -> str:
    return pformat(value, width=WIDTH, sort_dicts=False).replace("\n", "\n    ")

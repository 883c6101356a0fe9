"""MCP servers: what functions one has, and calling one. The official client speaks to them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from httpx2 import AsyncClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from playground.core.errors import ParameterError
from playground.core.tools.functions import MAX_RESULT_CHARACTERS, Function
from training.core.functions import FUNCTIONS_MAX

LIST_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 60.0


class ToolServerError(Exception):
    """A server cannot be reached, or answers what cannot be used; the message is for people."""


@dataclass(frozen=True)
class Outcome:
    """What a function said, as text, and whether it says that it failed."""

    text: str
    failed: bool


async def list_functions(address: str, prefix: str, *, authorization: str = "") -> tuple[Function, ...]:
    """The functions of a server, their names behind `prefix` and a dot. Raises ToolServerError.

    `authorization` is the value of the header of that name; empty for none.
    """
    tools = await spoken(address, LIST_TIMEOUT_S, authorization, lambda client: client.list_tools())
    if len(tools.tools) > FUNCTIONS_MAX:
        raise ToolServerError(f"It has {len(tools.tools)} functions; at most {FUNCTIONS_MAX} can be offered.")
    try:
        return tuple(
            Function(f"{prefix}.{tool.name}", (tool.description or "")[:1000], dict(tool.input_schema))
            for tool in tools.tools
        )
    except ParameterError as error:
        raise ToolServerError(str(error)) from error


async def call_function(
    address: str, name: str, arguments: Mapping[str, Any], *, authorization: str = ""
) -> Outcome:
    """Call a function by the server's own name for it. Raises ToolServerError."""
    call = partial(Client.call_tool, name=name, arguments=dict(arguments))
    result = await spoken(address, CALL_TIMEOUT_S, authorization, call)
    text = "\n".join(shown(block) for block in result.content)
    if len(text) > MAX_RESULT_CHARACTERS:
        text = f"{text[:MAX_RESULT_CHARACTERS]}… (cut: it had {len(text):,} characters)"
    return Outcome(text, bool(result.is_error))


async def spoken(address: str, timeout_s: float, authorization: str, ask: Any) -> Any:
    """What a server answers to one question, on a connection of its own. No error names the secret."""
    headers = {"Authorization": authorization} if authorization else {}
    try:
        async with (
            asyncio.timeout(timeout_s),
            AsyncClient(headers=headers, timeout=timeout_s) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await ask(client)
    except TimeoutError as error:
        raise ToolServerError(f"It did not answer within {timeout_s:.0f} s.") from error
    except MCPError as error:
        raise ToolServerError(f"It refused: {hidden(str(error), authorization)[:300]}") from error
    except Exception as error:  # anyio wraps what goes wrong in a connection in groups
        why = hidden(innermost(error), authorization)
        raise ToolServerError(f"It cannot be reached ({why}).") from error


def hidden(text: str, authorization: str) -> str:
    """A text that a server wrote, which may repeat what it was told, without the secret."""
    secret = authorization.rpartition(" ")[2]
    return text.replace(secret, "…") if secret else text


def innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error)[:200]}"


def shown(block: Any) -> str:
    """A block of a result as text for the model; what is no text is named by its kind."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource" and hasattr(block.resource, "text"):
        return str(block.resource.text)
    return json.dumps({"kind": block.type, "note": "not shown: only texts are"})

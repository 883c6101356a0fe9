"""A real MCP server with three functions: one that works, one that fails, one that does not end.

With a secret, its second argument, it answers whoever sends `Authorization: Bearer SECRET` and nobody else.
"""

import asyncio
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("gauges")


@server.tool()
def level(river: str) -> str:
    """How high a river stands."""
    return f"The {river} stands at 2.4 m. <script>alert(1)</script>"


@server.tool()
def broken() -> str:
    """It always fails."""
    raise ValueError("the gauge is dry")


@server.tool()
async def endless() -> str:
    """It never answers."""
    await asyncio.sleep(3600)
    return ""


def behind(secret: str, app: Any) -> Any:
    """The server, for those who have the secret."""
    wanted = f"Bearer {secret}".encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != wanted:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"Who are you?"})
            return
        await app(scope, receive, send)

    return guarded


if __name__ == "__main__":
    app = server.streamable_http_app(json_response=True)
    app = behind(sys.argv[2], app) if sys.argv[2:] else app
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")

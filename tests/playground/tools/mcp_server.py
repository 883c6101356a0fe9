"""A real MCP server with three functions: one that works, one that fails, one that does not end."""

import asyncio
import sys

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


if __name__ == "__main__":
    asyncio.run(server.run_streamable_http_async(host="127.0.0.1", port=int(sys.argv[1]), json_response=True))

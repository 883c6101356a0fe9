"""Functions in a chat: those that a person declares, those of MCP servers, and what came of each call."""

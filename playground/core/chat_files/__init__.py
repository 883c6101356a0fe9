"""Chats as files: JSON with every branch, Markdown with the path that is shown."""

"""Chats: threads and messages, the answers written in the background, and how they look in a page."""

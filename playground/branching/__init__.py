"""Editing, asking again, going between what stands side by side, forking: how a chat branches."""

"""A person's own account, as they see it."""

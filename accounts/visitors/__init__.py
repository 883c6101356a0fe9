"""Browsers without an account: what is theirs goes along at sign-in, and is deleted in time."""

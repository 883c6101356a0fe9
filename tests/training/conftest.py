"""Fixtures of the training tests."""

from tests.flows import trained_flow, trained_home

__all__ = ["trained_flow", "trained_home"]

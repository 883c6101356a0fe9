"""Fixtures of the training tests."""

from tests.flows import instruct, trained_flow, trained_home

__all__ = ["instruct", "trained_flow", "trained_home"]

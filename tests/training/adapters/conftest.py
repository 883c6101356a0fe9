"""Fixtures of the tests of adapters."""

from tests.flows import instruct, trained_flow, trained_home

__all__ = ["instruct", "trained_flow", "trained_home"]

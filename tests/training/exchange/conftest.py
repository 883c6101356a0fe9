"""Fixtures of the tests of models in and out."""

from tests.flows import instruct, trained_flow, trained_home

__all__ = ["instruct", "trained_flow", "trained_home"]

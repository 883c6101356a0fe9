"""Fixtures of the fine-tuning tests."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.flows import instruct, trained_flow, trained_home

__all__ = ["instruct", "one_thread", "trained_flow", "trained_home"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    with override_settings(TRAINING_THREADS=1):
        yield

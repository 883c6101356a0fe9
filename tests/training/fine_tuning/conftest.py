"""Fixtures of the fine-tuning tests."""

from collections.abc import Iterator

import pytest
from django.test import override_settings


@pytest.fixture
def one_thread() -> Iterator[None]:
    with override_settings(TRAINING_THREADS=1):
        yield

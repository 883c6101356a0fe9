"""Every test of the registry has a data directory of its own."""

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, settings: Settings, db: None) -> Path:
    settings.HOME = tmp_path
    return tmp_path

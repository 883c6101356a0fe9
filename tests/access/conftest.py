"""What all walks over the site's addresses share."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def quick_clients(settings: Settings) -> None:
    """Clients that find no static files: each would look all of them up first, and a walk makes hundreds."""
    settings.SERVESTATIC_USE_FINDERS = False

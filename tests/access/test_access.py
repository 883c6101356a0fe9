"""Every address, verb and kind of caller, against the table in docs/access.md. A new address fails until it
is there."""

import difflib
from pathlib import Path

import pytest

from tests.access.walk import table
from tests.sites import ROOT

DOCUMENT = ROOT / "docs" / "access.md"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_everyone_gets_at_every_address_what_the_table_says(tmp_path: Path) -> None:
    found, broken = table()
    before, _, written = DOCUMENT.read_text().partition("| address |")
    written = "| address |" + written
    actual = tmp_path / "access.md"
    actual.write_text(before + found)
    assert not broken, "\n".join(broken)
    changes = difflib.unified_diff(written.splitlines(), found.splitlines(), "the table", "the site", n=0)
    assert written == found, "\n".join([*changes, f"If that is meant, copy {actual} over {DOCUMENT}."])

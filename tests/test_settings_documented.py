"""docs/settings.md and config/environment.py tell the same story."""

import re
from pathlib import Path

import pytest

from config import environment
from config.environment import Setting, SettingError

DOCS = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


@pytest.mark.parametrize("setting", environment.ALL, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_help(setting: Setting) -> None:
    text = DOCS.read_text()
    assert f"`{setting.name}`" in text, f"add {setting.name} to docs/settings.md"
    assert setting.help in text, f"docs/settings.md does not say: {setting.help}"


def test_no_documented_setting_is_gone() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)`", DOCS.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(setting.name for setting in environment.ALL)


def test_defaults_that_are_not_paths_are_documented() -> None:
    text = DOCS.read_text()
    for setting in environment.ALL:
        if setting.default and not setting.default.startswith("/"):
            assert f"`{setting.default}`" in text, f"{setting.name}: say its default, {setting.default}"


@pytest.mark.parametrize("value", ["2", "perhaps", "yes please"])
def test_a_flag_that_is_neither_yes_nor_no_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match=f"{re.escape(repr(value))}; write 1 for yes or 0 for no"):
        environment.DEBUG.flag({"DEBUG": value})


@pytest.mark.parametrize("value", ["", "-1", "0", "65", "2.5", "NaN", "a lot"])
def test_a_number_out_of_bounds_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="whole number from 1 to 64"):
        environment.ENGINE_SLOTS.integer(1, 64, {"HEADWATER_ENGINE_SLOTS": value})

"""A checkpoint that can be offered functions: tiny-one's weights under Olmo 3's published template."""

import shutil

from playground.core.tools import Function
from playground.database import in_database
from tests.playground.conftest import register
from tests.playground.olmo3_templates import PUBLISHED
from training.models import Checkpoint

CITIES = ["Oslo", "Rome"]
WEATHER = Function(
    "get_weather",
    "The weather of a city.",
    {
        "type": "object",
        "properties": {"city": {"enum": CITIES}, "days": {"enum": [1, 2, 3]}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
CLOCK = Function("get_time", "The time in a city.", {"type": "object", "properties": {}})
TOOLS = [WEATHER.to_dict(), CLOCK.to_dict()]
FORECAST = {
    "type": "object",
    "properties": {"city": {"enum": CITIES}, "warm": {"type": "boolean"}},
    "required": ["city", "warm"],
    "additionalProperties": False,
}


async def make_caller(
    checkpoint: Checkpoint, name: str = "tiny-caller", template: str = PUBLISHED
) -> Checkpoint:
    """The engine that holds `checkpoint` answers for it at once: the weights have one shape."""
    path = checkpoint.path.with_name(name)
    shutil.copytree(checkpoint.path, path, dirs_exist_ok=True)
    (path / "chat_template.jinja").write_text(template)
    return await in_database(register, name, path)

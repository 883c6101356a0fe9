"""The pickers of the models that shall answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from playground.beside.forms import MODEL_FIELDS
from playground.beside.lineups import models_of
from playground.chat.models_offered import ModelMenu, model_menu
from playground.models import Lineup

LABELS = ("One model", "Another model", "A third model")


@dataclass(frozen=True)
class Picker:
    """A field of the form, and what can be chosen there; nothing, where it is optional."""

    field: str
    label: str
    menu: ModelMenu
    chosen: str
    optional: bool = False


def new_pickers(asked: Sequence[str], user: User | None) -> list[Picker]:
    """For a new lineup, with the models of these names where there are such: two that differ by default."""
    menu = model_menu(asked[0], user=user)
    second = asked[1] if asked[1] in menu.names else second_of(menu)
    third = asked[2] if asked[2] in menu.names else ""
    return [
        picker(place, menu, chosen, optional=place == 2)
        for place, chosen in enumerate((menu.chosen, second, third))
    ]


def second_of(menu: ModelMenu) -> str:
    return next((name for name in menu.names if name != menu.chosen), menu.chosen)


def kept_pickers(lineup: Lineup, user: User | None) -> list[Picker]:
    """For the next prompt of a lineup, with the models that answered last."""
    names = [model.name if model else "" for model in models_of(lineup)]
    menu = model_menu(user=user)
    return [picker(place, menu, name or menu.chosen) for place, name in enumerate(names)]


def picker(place: int, menu: ModelMenu, chosen: str, *, optional: bool = False) -> Picker:
    return Picker(MODEL_FIELDS[place], LABELS[place], menu, chosen, optional)

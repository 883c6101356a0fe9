"""The composer's settings: within the bounds of each model, kept with each answer, kept under names."""

import uuid
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from accounts.owners import Owner
from playground.chat.history import template_options
from playground.composer.settings import ComposerSettings
from playground.composer.settings_form import SettingsForm
from playground.models import Message, MessageState, Preset, Role
from playground.presets.services import MAX_PRESETS, keep_preset
from tests.playground.tiny_model import CONTEXT_TOKENS, write_text_files
from tracing.core.errors import InputError
from training.models import Checkpoint

pytestmark = pytest.mark.django_db
QWEN3 = "{{ messages }}{% if enable_thinking is false %}<think></think>{% endif %}{{ reasoning_effort }}"


@pytest.fixture
def checkpoint(checkpoint_directories: dict[str, Path]) -> Checkpoint:
    """A model that reads 1,024 tokens, and cannot be told how much to think."""
    assert checkpoint_directories
    return Checkpoint.objects.create(
        name="tiny-one", stage="think-sft", step=9, steps=9, digest="settings", chat="chatml"
    )


@pytest.fixture
def thinker(home: Path) -> Checkpoint:
    """A model whose template reads enable_thinking and reasoning_effort."""
    directory = home / "checkpoints" / "settings-thinker"
    directory.mkdir(parents=True, exist_ok=True)
    write_text_files(directory)
    (directory / "chat_template.jinja").write_text(QWEN3)
    (directory / "config.json").write_text('{"max_position_embeddings": 4096}')
    return Checkpoint.objects.create(
        name="settings-thinker", stage="think-sft", step=9, steps=9, digest="thinker", chat="chatml"
    )


def form(checkpoint: Checkpoint, **fields: object) -> SettingsForm:
    return SettingsForm({"model": checkpoint.name} | {name: str(value) for name, value in fields.items()})


def test_everything_that_is_set_is_kept(thinker: Checkpoint) -> None:
    chosen = {"temperature": 0, "top_p": 0.9, "max_tokens": 12, "seed": -3, "stop": "\\n\n###"}
    sent = form(thinker, system=" Be brief. ", thinking="off", effort="high", **chosen)
    assert sent.is_valid(), sent.errors
    kept = sent.parameters()
    assert kept["temperature"] == 0
    assert kept["stop"] == ["\n", "###"]
    assert (kept["top_p"], kept["max_tokens"], kept["seed"]) == (0.9, 12, -3)
    assert (kept["system"], kept["thinking"], kept["effort"]) == ("Be brief.", False, "high")


def test_an_answers_template_is_told_what_was_chosen(client: Client, thinker: Checkpoint) -> None:
    sent = {"text": "Hello", "model": thinker.name, "thinking": "off", "effort": "high"}
    client.post("/chat/", sent)
    answer = Message.objects.get(role=Role.ASSISTANT)
    assert template_options(answer) == {"enable_thinking": False, "reasoning_effort": "high"}


def test_what_the_template_cannot_be_told_is_not_kept(checkpoint: Checkpoint) -> None:
    sent = form(checkpoint, thinking="off", effort="high")
    assert sent.is_valid()
    assert not {"thinking", "effort"} & sent.parameters().keys()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_tokens": 1025}, "1,025 is more than tiny-one reads and writes in all, 1,024 tokens"),
        ({"top_p": 0}, "top_p is 0.0; it must be above 0|above 0"),
        ({"top_p": "nan"}, "Top p: Enter a number"),
        ({"seed": 2**63}, "Seed: Ensure this value is less than"),
        ({"seed": "1.5"}, "Seed: Enter a whole number"),
        ({"stop": "a\nb\nc\nd\ne"}, "stop has 5 texts; at most 4"),
        ({"stop": "x" * 201}, "1 to 200 characters"),
        ({"system": "x" * 16_001}, "System: Ensure this value has at most 16000 characters"),
        ({"system": "a\0b"}, "Null characters are not allowed"),
        ({"effort": "utmost"}, "Effort: Select a valid choice"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_reason(
    checkpoint: Checkpoint, fields: dict[str, object], says: str
) -> None:
    sent = form(checkpoint, **fields)
    assert not sent.is_valid()
    assert any(part in sent.first_error() for part in says.split("|"))


def test_the_page_shows_each_models_own_bounds(
    client: Client, checkpoint: Checkpoint, thinker: Checkpoint
) -> None:
    plain = client.get("/composer/bounds/", {"model": checkpoint.name}).content.decode()
    assert f'data-max-tokens="{CONTEXT_TOKENS}"' in plain
    assert "Effort" not in plain
    thinking = client.get("/composer/bounds/", {"model": thinker.name, "thinking": "off"}).content.decode()
    assert '<option value="off" selected>' in thinking
    assert "Effort" in thinking


@pytest.mark.parametrize("model", ["", "no-such-model", "a\0b", "x" * 5000])
def test_a_model_that_is_not_there_has_no_bounds_and_breaks_nothing(client: Client, model: str) -> None:
    assert client.get("/composer/bounds/", {"model": model}).status_code == 200


def test_settings_survive_being_kept_and_shown_again(thinker: Checkpoint) -> None:
    chosen = {"temperature": "0.7", "stop": "\\n\\n\nEnd", "system": "Be brief.", "thinking": "off"}
    sent = form(thinker, **chosen)
    assert sent.is_valid()
    shown = ComposerSettings.of_parameters(sent.parameters(), thinker)
    assert {name: shown.values[name] for name in chosen} == chosen
    assert shown.changed == 4


def test_a_chat_goes_on_as_its_last_answer_was_made(client: Client, checkpoint: Checkpoint) -> None:
    sent = {"text": "Hello", "model": checkpoint.name, "system": "Be <brief>.", "seed": "11"}
    response = client.post("/chat/", sent)
    Message.objects.filter(role=Role.ASSISTANT).update(state=MessageState.COMPLETE)
    page = client.get(response["Location"]).content.decode()
    assert "Be &lt;brief&gt;.</textarea>" in page
    assert 'name="seed" step="1" value="11"' in page


def keep(client: Client, checkpoint: Checkpoint, name: str, **fields: str) -> int:
    sent = {"preset_name": name, "model": checkpoint.name} | fields
    return client.post("/presets/", sent, headers={"hx-request": "true"}).status_code


def test_a_preset_is_kept_under_its_name_and_replaced_by_another_of_that_name(
    client: Client, checkpoint: Checkpoint
) -> None:
    assert keep(client, checkpoint, "Terse", temperature="0") == 200
    assert keep(client, checkpoint, "Terse", temperature="1") == 200
    [preset] = Preset.objects.all()
    assert preset.parameters["temperature"] == 1
    fields = client.post("/composer/settings/", {"preset": preset.pk}).content.decode()
    assert 'name="temperature" min="0" max="2" step="0.05" value="1"' in fields
    assert f'data-model="{checkpoint.name}"' in fields


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"preset_name": ""}, "give the preset a name first"), ({"temperature": "hot"}, "Enter a number")],
)
def test_a_preset_that_cannot_be_kept_says_why_and_loses_nothing(
    client: Client, checkpoint: Checkpoint, fields: dict[str, str], says: str
) -> None:
    sent = {"preset_name": "Terse", "model": checkpoint.name, "system": "Be brief."} | fields
    response = client.post("/presets/", sent, headers={"hx-request": "true"})
    assert response.status_code == 422
    assert says in response.content.decode()
    assert "Be brief.</textarea>" in response.content.decode()


def test_names_of_presets_are_text_and_nothing_else(client: Client, checkpoint: Checkpoint) -> None:
    keep(client, checkpoint, "<script>alert(1)</script>", system="<img src=x onerror=alert(1)>")
    for page in ("/presets/", "/"):
        content = client.get(page).content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content


def test_only_so_many_presets_fit(checkpoint: Checkpoint) -> None:
    owner = Owner(User.objects.create(username="collector"))
    Preset.objects.bulk_create(Preset(owner=owner.user, name=f"p{n}") for n in range(MAX_PRESETS))
    with pytest.raises(InputError, match="Delete one first"):
        keep_preset(owner=owner, name="one more", parameters={}, checkpoint=checkpoint)
    assert keep_preset(owner=owner, name="p0", parameters={}, checkpoint=checkpoint)


def test_other_peoples_presets_do_not_exist(client: Client, checkpoint: Checkpoint) -> None:
    keep(client, checkpoint, "Mine", system="secret words")
    [preset] = Preset.objects.all()
    other = Client()
    other.force_login(User.objects.create(username="reader"))
    for visitor in (Client(), other):
        assert visitor.post(f"/presets/{preset.pk}/delete/").status_code == 404
        assert (
            "secret words" not in visitor.post("/composer/settings/", {"preset": preset.pk}).content.decode()
        )
        assert "secret words" not in visitor.get("/", {"preset": preset.pk}).content.decode()
        assert "Mine" not in visitor.get("/presets/").content.decode()
    assert client.post(f"/presets/{uuid.uuid4()}/delete/").status_code == 404
    assert client.post(f"/presets/{preset.pk}/delete/").status_code == 302
    assert not Preset.objects.exists()

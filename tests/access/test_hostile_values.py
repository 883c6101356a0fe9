"""Values that no page sends, to every field of every door: refused or taken as text, never a crash."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.utils import timezone

from accounts.models import Scope
from accounts.terms.models import Terms
from tests.access.addresses import PLACE, filled, templates
from tests.access.hostile import MARKDOWN, MARKUP, VALUES, harm_in
from tests.access.test_access import DOCUMENT
from tests.world import Things, World, build_things, build_world

SETTINGS = {
    "model": "{model}",
    "system": "Be kind.",
    "temperature": "1",
    "top_p": "1",
    "max_tokens": "5",
    "stop": "a",
    "seed": "1",
    "thinking": "on",
    "effort": "low",
    "functions": "[]",
    "tool_servers": "",
    "tool_choice": "",
}
MESSAGE = SETTINGS | {"text": " ", "question_id": "", "after": "", "attachments": "", "temporary": ""}
"""Refused as it is, so that nothing is written and no engine asked while another field is tried."""
FIELDS: dict[str, dict[str, str]] = {
    "chat/": MESSAGE,
    "chat/<pk>/messages/": MESSAGE,
    "chat/<pk>/rename/": {"title": "A chat"},
    "chat/<pk>/share/": {"days": "7"},
    "messages/<pk>/edit/": MESSAGE | {"edited": " "},
    "messages/<pk>/again/": MESSAGE | {"max_tokens": "0"},
    "messages/<pk>/rate/": {"opinion": "up", "comment": "Good.", "details": "on", "consent": "on"},
    "messages/<pk>/share/": {"days": "7"},
    "compare/": MESSAGE | {"right": "{model}", "third": "", "blind": ""},
    "compare/<pk>/messages/": MESSAGE | {"right": "{model}", "third": "", "blind": ""},
    "compare/<pk>/vote/": {"verdict": "0"},
    "compare/<pk>/share/": {"days": "7"},
    "presets/": SETTINGS | {"preset_name": "calm"},
    "composer/settings/": SETTINGS | {"preset": ""},
    "composer/code/": MESSAGE | {"language": "curl"},
    "calls/<pk>/approve/": {"lasting": "on"},
    "calls/<pk>/answer/": {"result": "9"},
    "keys/": {"name": "laptop", "scopes": "chat", "lasts": "30", "tokens_a_day": "100"},
    "ratings/": {"format": "chat", "licence": "CC0-1.0"},
    "trace/": {"text": "Nine.", "model": "{model}", "prompt": "", "density": "0.05", "min_tokens": "2"},
    "trace/<pk>/share/": {"days": "7"},
    "datasets/<pk>/leave-out/": {"near": "0.8"},
}
"""What the forms of each address hold; every field is sent in turn with each hostile value."""
SAVED = {
    ("chat/<pk>/messages/", "text"),
    ("compare/<pk>/messages/", "text"),
    ("messages/<pk>/edit/", "edited"),
}
"""As the text of chat/ is, which is tried: each of these would wait for the answer before it."""
NAMES = """a b c after at before blind compare from left right limit model n order page preset q search sort
stage start end state until view density min_tokens max_documents added_since ordering cursor"""
ASKED = dict.fromkeys(NAMES.split())
"""Names that addresses are asked with, all of them at once."""
ADMIN: dict[str, dict[str, str]] = {
    "accounts/banner/add/": {"text": "Hi", "tone": "note", "audience": "everyone", "dismissible": "on",
                             "starts_at_0": "2026-11-23", "starts_at_1": "10:00:00"},
    "accounts/terms/add/": {"title": "Terms", "text": "Be kind.", "changes": "All.",
                            "published_at_0": "2030-01-01", "published_at_1": "10:00:00"},
    "accounts/limit/add/": {"audience": "everyone", "resource": "tokens", "amount": "5", "period": "day",
                            "key": "", "user": "", "group": ""},
    "accounts/price/add/": {"model": "a", "prompt": "1", "completion": "1", "since": "2026-11-23"},
    "playground/toolserver/add/": {"name": "tools", "address": "http://127.0.0.1:9/mcp", "enabled": "on"},
}  # fmt: skip
QUESTIONS = ["NaN", "-1", "9" * 30, "\0", "２", MARKUP]
TEN_MEGABYTES = 10 * 2**20


@dataclass
class Siege:
    """One world, whose things survive: what is refused changes nothing that matters here."""

    world: World
    things: Things
    broken: list[str]

    @classmethod
    def begin(cls) -> "Siege":
        world = build_world()
        return cls(world, build_things(world), [])

    def __post_init__(self) -> None:
        self.ada = self.world.browser(self.world.ada)
        self.grace = self.world.browser(self.world.grace)

    def ask(self, verb: str, address: str, fields: dict[str, str], what: str) -> None:
        """As the owner; where they are not let in, as an administrator."""
        for client in (self.ada, self.grace):
            response = getattr(client, verb)(address, fields)
            self.note(response, f"{verb} {address} {what}")
            if response.status_code not in (403, 404):
                return

    def note(self, response: HttpResponseBase, what: str) -> None:
        if response.status_code >= 500 and response.status_code != 503:
            self.broken.append(f"{what}: {response.status_code}")
        self.broken += [f"{what}: {harm}" for harm in harm_in(response)]
        response.close()


@pytest.fixture
def siege(transactional_db: None, redis_server: object) -> Siege:
    return Siege.begin()


def test_no_value_in_any_field_breaks_a_door(siege: Siege) -> None:
    model = siege.world.checkpoint.name
    for template, fields in FIELDS.items():
        address = filled(template, siege.world, siege.things)
        right = {name: value.format(model=model) for name, value in fields.items()}
        for name in fields:
            if (template, name) not in SAVED:
                for value in VALUES:
                    siege.ask("post", address, right | {name: value}, f"with {name}={value[:40]!r}")
    assert not siege.broken, "\n".join(siege.broken)


def test_no_value_breaks_the_terms(siege: Siege) -> None:
    Terms.objects.create(text=MARKDOWN, title=MARKUP, changes=MARKUP, published_at=timezone.now())
    fields = {"version": "1", "next": "/"}
    for name in fields:
        for value in VALUES:
            siege.ask("post", "/terms/", fields | {name: value}, f"with {name}={value[:40]!r}")
    siege.ask("get", "/terms/", {"next": MARKUP}, "asked with markup")
    assert not siege.broken, "\n".join(siege.broken)


def test_every_door_of_the_playground_that_takes_fields_is_among_them() -> None:
    """A new form fails here until its fields are walked, or it is said to have none."""
    without_fields = {
        "attachments/", "attachments/<pk>/remove/", "banners/<pk>/hide/", "calls/<pk>/refuse/",
        "chat/<pk>/delete/", "chat/<pk>/keep/", "chat/<pk>/purge/", "chat/<pk>/restore/", "chats/import/",
        "chats/", "compare/<pk>/delete/", "compare/<pk>/purge/", "compare/<pk>/restore/",
        "compare/<pk>/stop/", "keys/<prefix>/revoke/", "messages/<pk>/continue/", "messages/<pk>/fork/",
        "messages/<pk>/stop/", "presets/<pk>/delete/", "ratings/<pk>/reviewed/", "shares/<pk>/revoke/",
        "shares/chats/<pk>/revoke/",
        "shares/comparisons/<pk>/revoke/", "trace/<pk>/delete/",
    }  # fmt: skip
    rooms = ("attachments", "banners", "calls", "chat", "compare", "composer", "keys", "messages", "presets")
    rooms += ("ratings", "shares", "terms", "trace")
    doors = {template for template in posted() if template.split("/")[0] in rooms}
    assert doors - without_fields == FIELDS.keys() - {"datasets/<pk>/leave-out/"} | {"terms/"}


def posted() -> set[str]:
    """The addresses that take a POST, by the table of docs/access.md."""
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("| `/")]
    return {row[1].strip(" `").removeprefix("/") for row in rows if row[2].strip() == "POST"}


def test_no_question_breaks_an_address(siege: Siege) -> None:
    for template in templates():
        if "stream" in template:
            continue
        for value in QUESTIONS:
            address = filled(template, siege.world, siege.things)
            siege.ask("get", address, dict.fromkeys(ASKED, value), f"asked with {value!r}")
    assert not siege.broken, "\n".join(siege.broken)


def test_no_number_in_an_address_breaks_it(siege: Siege) -> None:
    for template in templates():
        for number in (0, 9 * 10**29):
            address = "/" + PLACE.sub(str(number), template).replace("...", "no/such")
            for verb in ("get", "post"):
                siege.ask(verb, address, {}, "")
    assert not siege.broken, "\n".join(siege.broken)


def test_no_value_breaks_the_admin(siege: Siege) -> None:
    grace = siege.world.browser(siege.world.grace)
    for page, fields in ADMIN.items():
        assert grace.get(f"/admin/{page}").status_code == 200, page
        for name in fields:
            for value in VALUES:
                response = grace.post(f"/admin/{page}", fields | {name: value})
                siege.note(response, f"POST /admin/{page} with {name}={value[:40]!r}")
    assert not siege.broken, "\n".join(siege.broken)


def test_bodies_of_ten_megabytes_break_no_door(siege: Siege) -> None:
    bodies: list[dict[str, Any]] = [
        {"data": b"text=" + b"x" * TEN_MEGABYTES, "content_type": "application/x-www-form-urlencoded"},
        {"data": b'{"text": "' + b"x" * TEN_MEGABYTES + b'"}', "content_type": "application/json"},
    ]
    program = siege.world.program(siege.world.ada, *Scope)
    for template in sorted(posted()):
        address = filled(template, siege.world, siege.things)
        client = program if template.startswith(("v1/", "api/")) else siege.world.browser(siege.world.ada)
        for body in bodies:
            siege.note(client.post(address, **body), f"POST {address} of ten megabytes")
    assert not siege.broken, "\n".join(siege.broken)

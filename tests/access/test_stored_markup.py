"""Markup in whatever people, models and files may have written stays text on every page of the site."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from playground.models import Message
from tests.access.addresses import filled, templates
from tests.access.hostile import MARK, MARKDOWN, MARKUP, SHORT_MARKUP, body_of, harm_in
from tests.world import Things, World, build_things, build_world

APPS = ("accounts", "tracing", "training", "playground")
KEPT = {"account", "digest", "tokenizer", "password", "token", "prefix", "session_key", "chat", "kind"}
"""What is no text that somebody wrote; pages are found by some of it."""
SLUGS = {"training.Checkpoint.name", "tracing.Store.name"}
"""Letters, digits, - and _ alone: they are directories and parts of addresses."""
FORMS = {"object", "state", "type", "relevance", "role", "stage"}
"""Of JSON: words by which code tells one thing from another."""
SEEN_AT_LEAST = 40


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_what_anyone_wrote_stays_text_on_every_page() -> None:
    world = build_world()
    things = build_things(world)
    write_markup_everywhere()
    seen, harmful = 0, list[str]()
    for address, client in pages(world, things):
        response = client.get(address)
        assert response.status_code < 500 or response.status_code == 503, f"GET {address}"
        seen += body_of(response).count("onerror") > 1  # the banner is on every page
        harmful += [f"GET {address}: {harm}" for harm in harm_in(response)]
        assert response.headers.get("X-Content-Type-Options") == "nosniff", address
        response.close()
    assert not harmful, "\n".join(harmful)
    assert seen >= SEEN_AT_LEAST, f"only {seen} pages show what was written: is it written at all?"


def pages(world: World, things: Things) -> Iterator[tuple[str, Client]]:
    """Every address as its owner, as an administrator and as nobody sees it."""
    clients = [world.browser(user) for user in (world.ada, world.grace, None)]
    refresh(world, things)
    for template in templates():
        if "stream" not in template:
            for client in clients:
                yield filled(template, world, things), client


def refresh(world: World, things: Things) -> None:
    """Read again what addresses are filled with."""
    for row in [*vars(world).values(), *vars(things).values()]:
        row.refresh_from_db()


def write_markup_everywhere() -> None:
    """Into every column of our tables that holds text, and every text in its JSON."""
    for model in apps.get_models():
        if model._meta.app_label in APPS:
            for row in model._base_manager.all():
                write_markup(row)
    Message.objects.update(raw_text=MARKDOWN)


def write_markup(row: models.Model) -> None:
    changed: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        if isinstance(field, models.JSONField):
            changed[field.name] = with_markup(getattr(row, field.name))
        elif is_written(field):
            changed[field.name] = markup_for(field, row)
    if changed:
        type(row)._base_manager.filter(pk=row.pk).update(**changed)


def is_written(field: models.Field) -> bool:
    """Whether the column holds text of somebody's choice."""
    is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
    return is_text and not field.primary_key and field.name not in KEPT and str(field) not in SLUGS


def markup_for(field: models.Field, row: models.Model) -> str:
    """Another one for each row, should they have to differ."""
    room = field.max_length or 10_000
    text = f"{row.pk}"[:6] + (MARKUP if room > len(MARKUP) + 6 else SHORT_MARKUP)
    return text if len(text) <= room else text[:room]


def with_markup(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: part if name in FORMS else with_markup(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_markup(part) for part in value]
    return f"{value}{MARKUP}" if isinstance(value, str) else value


def test_the_search_for_harm_finds_it() -> None:
    """Or the test above would prove nothing."""
    from django.http import HttpResponse

    for html in (MARKUP, f"<script>{MARK}</script>", f"<a href='java\nscript:{MARK}'>", "<b onx=7>"):
        assert harm_in(HttpResponse(html)), html
    assert not harm_in(HttpResponse(f"<script src=a.js></script><p>{MARK}</p>"))

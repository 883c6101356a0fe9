"""What programs read and change by /api/: their own things, filtered, ordered and cut into pages."""

import pytest
from django.test import Client

from accounts.models import AuditEntry, Scope
from playground.beside.models import Lineup, Seat, Verdict, Vote
from playground.chat.threads import Prompt, create_thread
from playground.models import Thread
from tests.world import World

OWN = ["threads", "messages", "traces", "shares", "usage"]
COMMON = ["models", "checkpoints", "corpora", "jobs"]


def rows(client: Client, address: str) -> list[dict[str, object]]:
    response = client.get(address)
    assert response.status_code == 200, response.content
    found: list[dict[str, object]] = response.json()["results"]
    return found


@pytest.mark.parametrize("resource", OWN)
def test_each_sees_their_own_rows_and_no_others(world: World, resource: str) -> None:
    everything = tuple(Scope)
    assert rows(world.program(world.ada, *everything), f"/api/{resource}/")
    assert not rows(world.program(world.bob, *everything), f"/api/{resource}/")


@pytest.mark.parametrize("resource", COMMON)
def test_what_was_trained_is_there_for_whoever_has_the_scope(world: World, resource: str) -> None:
    person = world.grace if resource == "jobs" else world.bob
    assert rows(world.program(person, *Scope), f"/api/{resource}/")


def test_someone_elses_things_do_not_exist(world: World) -> None:
    client = world.program(world.bob, *Scope)
    for path in (
        f"threads/{world.thread.pk}",
        f"messages/{world.answer.pk}",
        f"messages/{world.answer.pk}/trace",
        f"traces/{world.trace.pk}",
        f"shares/{world.share.pk}",
    ):
        assert client.get(f"/api/{path}/").status_code == 404
    assert client.delete(f"/api/threads/{world.thread.pk}/").status_code == 404
    assert client.delete(f"/api/shares/{world.share.pk}/").status_code == 404


def test_a_thread_is_renamed_deleted_and_had_back(world: World) -> None:
    client, address = world.program(world.ada, Scope.CHAT), f"/api/threads/{world.thread.pk}/"
    renamed = client.patch(address, {"title": "Sums"}, content_type="application/json")
    assert renamed.json()["title"] == "Sums"
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.post(f"{address}restore/").json()["title"] == "Sums"
    assert client.get(address).status_code == 200


def test_lists_are_filtered_ordered_and_cut_into_pages(world: World) -> None:
    for text in ("apples", "pears", "plums"):
        create_thread(owner=world.ada, session_key="", prompt=Prompt(text, world.checkpoint))
    client = world.program(world.ada, Scope.CHAT)
    assert [row["title"] for row in rows(client, "/api/threads/?title=P&ordering=-title")] == [
        "plums",
        "pears",
        "apples",
    ]
    first = client.get("/api/threads/?page_size=3&ordering=title").json()
    assert (first["count"], len(first["results"])) == (4, 3)
    assert len(client.get(first["next"]).json()["results"]) == 1
    assert client.get("/api/threads/?page=99999999999999999999999999").status_code == 404
    answers = rows(client, f"/api/messages/?thread={world.thread.pk}&role=assistant")
    assert [row["text"] for row in answers] == ["Nine."]


@pytest.mark.parametrize(
    "query",
    ["threads/?temporary=perhaps&updated_after=yesterday", "messages/?thread=7", "messages/?role=pope"],
)
def test_a_filter_that_cannot_be_read_is_refused_by_name(world: World, query: str) -> None:
    response = world.program(world.ada, Scope.CHAT).get(f"/api/{query}")
    assert response.status_code == 400
    assert response.json()["error"]["fields"]


def test_an_order_that_is_not_on_the_list_changes_nothing(world: World) -> None:
    client = world.program(world.ada, Scope.CHAT)
    assert rows(client, "/api/threads/?ordering=owner__password") == rows(client, "/api/threads/")


@pytest.mark.parametrize("title", ["", " ", "x" * 201, None, True, ["a"], "nul\0"])
def test_a_title_that_is_none_is_refused(world: World, title: object) -> None:
    client = world.program(world.ada, Scope.CHAT)
    address = f"/api/threads/{world.thread.pk}/"
    response = client.patch(address, {"title": title}, content_type="application/json")
    assert response.status_code == 400
    assert "title" in response.json()["error"]["fields"]
    assert Thread.objects.get(pk=world.thread.pk).title == "What is 4 + 5?"


def test_a_job_is_steered_and_each_act_is_on_record(world: World) -> None:
    client, address = world.program(world.grace, Scope.TRAIN), f"/api/jobs/{world.job.pk}/"
    assert client.post(f"{address}pause/").json()["state"] == "paused"
    again = client.post(f"{address}pause/")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert client.post(f"{address}cancel/").json()["state"] == "cancelled"
    assert [entry.action for entry in AuditEntry.objects.filter(object_type="job")] == [
        "cancel job",
        "pause job",
    ]


def test_a_shared_link_is_taken_back(world: World) -> None:
    client = world.program(world.ada, Scope.TRACE)
    assert client.get(f"/api/shares/{world.share.pk}/").json()["living"]
    assert client.delete(f"/api/shares/{world.share.pk}/").status_code == 204
    assert not client.get(f"/api/shares/{world.share.pk}/").json()["living"]


def test_usage_is_ones_own_and_everybodys_for_administrators(world: World) -> None:
    assert not rows(world.program(world.grace, Scope.CHAT), "/api/usage/")
    assert rows(world.program(world.grace, Scope.ADMIN), "/api/usage/")


def test_a_signed_in_browser_reads_too_and_needs_its_token_to_write(world: World) -> None:
    client = world.browser(world.ada)
    client.handler.enforce_csrf_checks = True
    address = f"/api/threads/{world.thread.pk}/"
    assert client.get(address).status_code == 200
    assert client.delete(address).status_code == 403
    assert Thread.objects.get(pk=world.thread.pk).deleted_at is None


def test_errors_have_one_form(world: World) -> None:
    unknown = world.browser(None).get("/api/threads/")
    assert unknown.status_code == 401
    assert unknown.headers["WWW-Authenticate"].startswith("Bearer")
    lacking = world.program(world.ada, Scope.TRACE).get("/api/threads/")
    assert lacking.status_code == 403
    assert "'chat'" in lacking.json()["error"]["message"]
    broken = world.program(world.ada, Scope.CHAT).patch(
        f"/api/threads/{world.thread.pk}/", "{", content_type="application/json"
    )
    assert broken.status_code == 400
    assert "JSON" in broken.json()["error"]["message"]


def test_a_blind_comparison_is_not_told_of_before_its_vote(world: World) -> None:
    client, browser = world.program(world.ada, *Scope), world.browser(world.ada)
    lineup = Lineup.objects.create(blind=True)
    Seat.objects.create(lineup=lineup, place=0, thread=world.thread)
    addresses = [f"messages/{world.answer.pk}/{page}/" for page in ("stream", "code", "raw", "trace")]
    assert not rows(client, "/api/threads/")
    assert not rows(client, "/api/messages/")
    assert {browser.get(f"/{address}").status_code for address in addresses} == {404}
    Vote.objects.create(lineup=lineup, verdict=Verdict.TIE, names=[world.checkpoint.name])
    assert rows(client, "/api/threads/")
    assert len(rows(client, "/api/messages/")) == 2

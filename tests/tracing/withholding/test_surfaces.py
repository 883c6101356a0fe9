"""Whatever shows documents hides those that are withheld, from the very next request on."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from tests.tracing.support.stores import text_tokenizer
from tests.tracing.withholding.conftest import BY, SENTENCE, TEXTS, Publish
from tracing.core.trace import Tracer, TraceRequest
from tracing.models import Store, Withholding
from tracing.services import open_store
from tracing.withholding.acts import restore_documents, take_down
from tracing.withholding.hiding import hide_withheld
from tracing.withholding.lookup import WithheldNow


def trace_of(store: Store) -> dict:
    tracer = Tracer([open_store(store)], text_tokenizer())
    request = TraceRequest.of_text(SENTENCE, text_tokenizer(), max_documents=100)
    return tracer.trace(request, withheld=WithheldNow()).to_json()


def page(store: Store, number: int) -> str:
    return reverse("document", args=[store.name, number])


def test_a_page_of_a_withheld_document_says_so_and_shows_nothing_of_it(store: Store, client: Client) -> None:
    assert TEXTS[3] in client.get(page(store, 3)).text
    take_down(store=store, documents=[3], note="a private note", by=BY)
    response = client.get(page(store, 3))
    assert response.status_code == 451
    assert "taken down" in response.text
    for secret in (TEXTS[3], "Title 3", "part.py:3", "a private note", "doc-3"):
        assert secret not in response.text
    assert "no-store" in response.headers["Cache-Control"]
    restore_documents(withholdings=Withholding.objects.all(), note="", by=BY)
    assert TEXTS[3] in client.get(page(store, 3)).text


def test_a_stores_list_keeps_the_withheld_documents_place(store: Store, client: Client) -> None:
    take_down(store=store, documents=[3], note="", by=BY)
    listing = client.get(reverse("store", args=[store.name])).text
    assert "withheld: taken down" in listing
    assert "Title 3<" not in listing
    assert "part.py:3<" not in listing
    assert "Title 4<" in listing


def test_a_new_trace_counts_it_and_shows_others(store: Store) -> None:
    take_down(store=store, documents=[3, 5], note="", by=BY)
    found = trace_of(store)
    assert found["withheld"] == [{"reason": "taken down", "documents": 2}]
    assert {document["document"] for document in found["documents"]} == set(range(20)) - {3, 5}
    assert found["spans"][0]["count"] == 20


def test_a_kept_trace_hides_it_and_shows_it_again(store: Store) -> None:
    kept = trace_of(store)
    before = json.dumps(kept)
    take_down(store=store, documents=[3, 5], note="", by=BY)
    hidden = hide_withheld(kept)
    assert json.dumps(kept) == before
    assert hidden["withheld"] == [{"reason": "taken down", "documents": 2}]
    for number in (3, 5):
        assert f"Title {number}" not in [document["title"] for document in hidden["documents"]]
        assert f"Number {number} " not in json.dumps(hidden["documents"])
    [span] = hidden["spans"]
    assert span["count"] == 20
    shown = [hidden["documents"][number]["document"] for number in span["documents"]]
    assert sorted(shown) == sorted(set(range(20)) - {3, 5})
    restore_documents(withholdings=Withholding.objects.all(), note="", by=BY)
    assert json.dumps(hide_withheld(kept)) == before


def test_a_kept_trace_of_an_older_build_hides_the_documents_of_that_build(
    store: Store, publish: Publish
) -> None:
    kept = trace_of(store)
    take_down(store=store, documents=[3], note="", by=BY)
    publish(metadata=[{"id": f"doc-{number}"} for number in reversed(range(20))])
    assert "Number 3 " not in json.dumps(hide_withheld(kept)["documents"])
    assert "Number 16 " in json.dumps(hide_withheld(kept)["documents"])


@pytest.mark.parametrize("trace", [{}, {"error": "The store is damaged."}, {"spans": [], "documents": []}])
def test_a_trace_without_documents_stays_as_it_is(db: None, trace: dict) -> None:
    assert hide_withheld(trace) == trace


def test_an_administrator_takes_down_and_restores_on_the_documents_page(
    store: Store, client: Client, admin: User
) -> None:
    client.force_login(admin)
    assert "Take down" in client.get(page(store, 3)).text
    response = client.post(reverse("take-down", args=[store.name, 3]), {"note": "asked for"}, follow=True)
    assert response.status_code == 451
    assert TEXTS[3] not in response.text
    assert "asked for" in response.text
    client.post(reverse("restore", args=[store.name, 3]), {"note": "agreed"})
    assert TEXTS[3] in client.get(page(store, 3)).text
    restored, taken = AuditEntry.objects.exclude(object_type="account")
    assert (taken.action, taken.actor, taken.object_id) == ("take down", admin, "texts/3")
    assert (taken.detail, taken.address) == ({"note": "asked for"}, "127.0.0.1")
    assert (restored.action, restored.detail["note"]) == ("restore", "agreed")


@pytest.mark.parametrize("act", ["take-down", "restore"])
def test_nobody_else_may_and_nothing_is_logged(store: Store, client: Client, act: str) -> None:
    take_down(store=store, documents=[4], note="", by=BY)
    entries = AuditEntry.objects.count()
    address = reverse(act, args=[store.name, 4])
    assert client.post(address, {"note": "x"}).status_code == 403
    for staff in (False, True):  # staff without the permission may not, either
        person = User.objects.create_user(f"eve{staff}", password="a long password", is_staff=staff)
        client.force_login(person)
        assert client.post(address, {"note": "x"}).status_code == 403
        assert "Restore" not in client.get(page(store, 4)).text
        assert "Take down" not in client.get(page(store, 3)).text
    assert AuditEntry.objects.exclude(object_type="account").count() == entries
    assert Withholding.objects.in_force().count() == 1


def test_what_is_not_there_cannot_be_taken_down(store: Store, client: Client, admin: User) -> None:
    client.force_login(admin)
    assert client.post(reverse("take-down", args=[store.name, 20]), {"note": "x"}).status_code == 404
    assert client.post(reverse("take-down", args=["nowhere", 0]), {"note": "x"}).status_code == 404
    assert client.post(reverse("take-down", args=[store.name, 1]), {"note": "x" * 2001}).status_code == 400
    assert client.get(reverse("take-down", args=[store.name, 1])).status_code == 405
    assert not Withholding.objects.exists()


def test_a_form_from_elsewhere_is_refused(store: Store, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(reverse("take-down", args=[store.name, 1]), {"note": "x"}).status_code == 403
    assert not Withholding.objects.exists()

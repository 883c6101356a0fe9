"""Administrators take down, block, scan and restore in the admin; it is logged, and nobody else may."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from tests.tracing.withholding.conftest import BY
from tracing.models import BlockRule, Store, Sweep, Withholding
from tracing.withholding.acts import take_down
from tracing.withholding.lookup import reasons_for
from tracing.withholding.passes import run_sweep

ADD = reverse("admin:tracing_withholding_add")
LIST = reverse("admin:tracing_withholding_changelist")


@pytest.fixture
def grace(admin: User, client: Client) -> Client:
    client.force_login(admin)
    return client


def acts() -> list[str]:
    return list(
        AuditEntry.objects.exclude(object_type="account").order_by("pk").values_list("action", flat=True)
    )


def test_documents_are_taken_down_by_their_numbers(store: Store, grace: Client, admin: User) -> None:
    form = {"store": store.pk, "numbers": "3, 5-7\n19", "reason": "taken down", "note": "by letter"}
    assert grace.post(ADD, form).status_code == 302
    assert set(reasons_for(store.name, range(20))) == {3, 5, 6, 7, 19}
    assert acts() == ["take down"] * 5
    assert AuditEntry.objects.filter(actor=admin, address="127.0.0.1").count() >= 5
    grace.post(ADD, form)
    assert Withholding.objects.count() == 5
    assert "by letter" in grace.get(LIST).text


@pytest.mark.parametrize(
    "numbers", ["", "x", "20", "3,20", "5-99999999", "-1", "1.5", "7-3000000000000000000"]
)
def test_numbers_that_make_no_sense_are_refused(store: Store, grace: Client, numbers: str) -> None:
    form = {"store": store.pk, "numbers": numbers, "reason": "taken down", "note": ""}
    assert "error" in grace.post(ADD, form).text
    assert not Withholding.objects.exists()
    assert acts() == []


def test_many_are_restored_from_the_list(store: Store, grace: Client) -> None:
    take_down(store=store, documents=range(10), note="", by=BY)
    chosen = Withholding.objects.filter(document__lt=4).values_list("pk", flat=True)
    grace.post(LIST, {"action": "restore", "_selected_action": list(chosen)})
    assert set(reasons_for(store.name, range(20))) == {4, 5, 6, 7, 8, 9}
    assert acts().count("restore") == 4


def test_rows_are_history_and_neither_changed_nor_deleted(store: Store, grace: Client) -> None:
    take_down(store=store, documents=[1], note="", by=BY)
    row = Withholding.objects.get()
    page = reverse("admin:tracing_withholding_change", args=[row.pk])
    assert grace.get(page).status_code == 200
    assert grace.post(page, {"note": "changed"}).status_code == 403
    assert grace.post(reverse("admin:tracing_withholding_delete", args=[row.pk])).status_code == 403
    assert "delete_selected" not in grace.get(LIST).text
    row.refresh_from_db()
    assert row.note == ""


def test_a_rule_is_made_and_lifted(store: Store, grace: Client) -> None:
    add = reverse("admin:tracing_blockrule_add")
    bad = grace.post(add, {"kind": "domain", "value": "https://x.example", "field": "", "note": ""})
    assert "is no domain" in bad.text
    grace.post(add, {"kind": "prefix", "value": "part.py:1", "field": "", "note": "asked"})
    rule = BlockRule.objects.get()
    run_sweep(Sweep.objects.get().pk)
    assert len(reasons_for(store.name, range(20))) == 11
    listing = reverse("admin:tracing_blockrule_changelist")
    assert "11" in grace.get(listing).text
    grace.post(listing, {"action": "lift", "_selected_action": [rule.pk]})
    assert reasons_for(store.name, range(20)) == {}
    assert acts() == ["block", "blocks", "blocks finished", "lift block"]


def test_a_scan_is_started_stopped_and_taken_up_again(store: Store, grace: Client) -> None:
    stores, sweeps = reverse("admin:tracing_store_changelist"), reverse("admin:tracing_sweep_changelist")
    grace.post(stores, {"action": "scan_stores", "_selected_action": [store.pk]})
    sweep = Sweep.objects.get()
    assert (sweep.kind, sweep.state, sweep.by) == ("personal data", "queued", "grace")
    grace.post(sweeps, {"action": "stop", "_selected_action": [sweep.pk]})
    assert "Stopped by grace" in grace.get(sweeps).text
    grace.post(sweeps, {"action": "go_on", "_selected_action": [sweep.pk]})
    sweep.refresh_from_db()
    assert sweep.state == "queued"
    assert acts() == ["personal data", "stop"]


def test_people_without_the_permission_can_do_none_of_it(store: Store, client: Client) -> None:
    take_down(store=store, documents=[1], note="", by=BY)
    before = acts()
    eve = User.objects.create_user("eve", password="a long password", is_staff=True)
    eve.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    row, form = (
        Withholding.objects.get(),
        {"store": store.pk, "numbers": "3", "reason": "taken down", "note": ""},
    )
    for person in (None, eve):
        if person:
            client.force_login(person)
        assert client.post(ADD, form).status_code in (302, 403)
        client.post(LIST, {"action": "restore", "_selected_action": [row.pk]})
        client.post(
            reverse("admin:tracing_store_changelist"),
            {"action": "scan_stores", "_selected_action": [store.pk]},
        )
        client.post(reverse("admin:tracing_blockrule_add"), {"kind": "licence", "value": "CC0"})
    assert reasons_for(store.name, range(20)) == {1: "taken down"}
    assert not BlockRule.objects.exists()
    assert not Sweep.objects.exists()
    assert acts() == before

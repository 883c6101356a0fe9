"""The audit log tells who did what; it is read, searched, and never changed."""

import pytest
import redis
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.audit import Actor, record_act
from accounts.models import ApiKey, AuditEntry, AuditLogIsAppendOnly, Scope, User
from accounts.services import create_key, revoke_key
from training.core.errors import JobError
from training.fine_tuning.services import begin
from training.models import Checkpoint

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


@pytest.fixture
def grace() -> User:
    return User.objects.create_superuser("grace", password=PASSWORD)


def entry(by: Actor | None = None, **fields: object) -> AuditEntry:
    about = {"action": "try", "object_type": "thing", "object_id": 7, "label": "a thing", **fields}
    return record_act(by=by or Actor("tests"), **about)


def test_an_entry_says_who_did_what_to_which_object_and_from_where(grace: User) -> None:
    key, _ = create_key(user=grace, name="script", scopes=[Scope.ADMIN])
    made = entry(Actor("grace", grace, key, "192.0.2.1"), detail={"n": 1})
    made.refresh_from_db()
    assert (made.actor, made.actor_name, made.address) == (grace, "grace", "192.0.2.1")
    assert made.key == f"script ({key.prefix})"
    assert (made.action, made.object_id, made.detail) == ("try", "7", {"n": 1})


def test_no_entry_is_changed_or_deleted() -> None:
    made = entry()
    made.label = "something else"
    for act in (
        made.save,
        made.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(label="x"),
        lambda: AuditEntry.objects.bulk_update([made], ["label"]),
    ):
        with pytest.raises(AuditLogIsAppendOnly):
            act()
    assert AuditEntry.objects.get().label == "a thing"


def test_an_entry_stays_when_its_account_goes(grace: User) -> None:
    entry(Actor("grace", grace))
    grace.delete()
    kept = AuditEntry.objects.get()
    assert (kept.actor, kept.actor_name) == (None, "grace")


def test_an_act_that_is_rolled_back_leaves_no_entry() -> None:
    with transaction.atomic():
        entry()
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_sign_ins_of_staff_are_logged_and_no_others(
    grace: User, client: Client, redis_server: redis.Redis
) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    for name in ("ada", "grace"):
        client.post(reverse("sign-in"), {"username": name, "password": PASSWORD})
    client.post(reverse("sign-in"), {"username": "grace", "password": "wrong"})
    made = AuditEntry.objects.get()
    assert (made.action, made.actor, made.address) == ("sign in", grace, "127.0.0.1")


def test_keys_are_logged_when_they_are_made_and_revoked_without_their_secret(grace: User) -> None:
    key, secret = create_key(user=grace, name="script", scopes=[Scope.CHAT])
    revoke_key(key=key, by=Actor("ada"))
    revoked, made = AuditEntry.objects.all()
    assert (made.action, made.actor_name, made.detail) == (
        "create key",
        "grace",
        {"user": "grace", "scopes": ["chat"]},
    )
    assert (revoked.action, revoked.actor_name, revoked.object_id) == ("revoke key", "ada", key.prefix)
    assert secret.partition(".")[2] not in str(list(AuditEntry.objects.values()))


def test_keys_made_and_revoked_in_the_admin_are_logged(grace: User, client: Client) -> None:
    client.force_login(grace)
    form = {
        "name": "script",
        "user": grace.pk,
        "scopes": '["chat"]',
        "expiry_date_0": "",
        "expiry_date_1": "",
    }
    client.post(reverse("admin:accounts_apikey_add"), form)
    key = ApiKey.objects.get()
    client.post(reverse("admin:accounts_apikey_change", args=[key.pk]), form | {"revoked": "on"})
    found = AuditEntry.objects.filter(object_type="key").order_by("pk").values_list("action", "object_id")
    assert list(found) == [("create key", key.prefix), ("revoke key", key.prefix)]


def test_the_log_is_read_and_searched_in_the_admin_and_nothing_else(grace: User, client: Client) -> None:
    made = entry()
    entry(label="another")
    client.force_login(grace)
    listing = reverse("admin:accounts_auditentry_changelist")
    assert "another" in client.get(listing).text
    assert "another" not in client.get(listing, {"q": "a thing"}).text
    assert "a thing" in client.get(listing, {"action": "try"}).text
    page = reverse("admin:accounts_auditentry_change", args=[made.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"label": "x"}).status_code == 403
    assert client.get(reverse("admin:accounts_auditentry_add")).status_code == 403
    assert client.post(reverse("admin:accounts_auditentry_delete", args=[made.pk])).status_code == 403
    assert "delete_selected" not in client.get(listing).text


def test_a_job_that_somebody_starts_is_on_record_and_one_that_fails_to_is_not(grace: User) -> None:
    parent = Checkpoint.objects.create(name="audited", stage="think-sft", step=1, steps=1)
    fields = {"by": Actor("grace", grace), "stage": "think-sft", "parent": parent, "owner": grace}
    job = begin("audited-start", **fields)
    with pytest.raises(JobError, match="is taken"):
        begin("audited-start", **fields)
    made = AuditEntry.objects.get()
    assert (made.action, made.actor, made.object_id) == ("start job", grace, str(job.pk))

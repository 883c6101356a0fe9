"""Administrators work on one site, for them alone, and whatever they change there is on record."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.administration.audited import Audited
from accounts.models import AuditEntry, Banner, Scope, Terms, User
from accounts.services import create_key
from training.models import AccessRule, Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace() -> User:
    return User.objects.create_superuser("grace", password="a long password")


@pytest.fixture
def office(grace: User, client: Client) -> Client:
    client.force_login(grace)
    AuditEntry.objects.all()._raw_delete("default")  # the sign-in
    return client


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:{name}", args=arguments)


def last() -> AuditEntry:
    return AuditEntry.objects.first()


def test_every_model_of_the_admin_is_audited() -> None:
    assert admin.site._registry
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, Audited), model


@pytest.mark.parametrize("who", ["nobody", "ada"])
def test_no_page_of_it_is_for_others(client: Client, who: str) -> None:
    if who == "ada":
        client.force_login(User.objects.create_user("ada"))
    for model in admin.site._registry:
        for page in ("changelist", "add"):
            address = url(f"{model._meta.app_label}_{model._meta.model_name}_{page}")
            for verb in ("get", "post"):
                answer = getattr(client, verb)(address, follow=True)
                assert answer.status_code == (403 if who == "ada" else 200), address
                assert who == "ada" or answer.redirect_chain[-1][0].startswith("/sign-in/"), address


def test_administrators_sign_in_where_everybody_does(client: Client) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/sign-in/?next=/admin/"
    assert client.post("/admin/login/", {"username": "grace", "password": "x"}).status_code == 302


def test_every_list_and_form_opens(office: Client, grace: User) -> None:
    assert office.get("/admin/").status_code == 200
    for model, model_admin in admin.site._registry.items():
        where = f"{model._meta.app_label}_{model._meta.model_name}"
        assert office.get(url(f"{where}_changelist"), {"q": "x"}).status_code == 200, where
        expected = 200 if model_admin.has_add_permission(office.get("/admin/").wsgi_request) else 403
        assert office.get(url(f"{where}_add")).status_code == expected, where


def test_rights_that_are_given_are_on_record_with_what_they_were_before(office: Client, grace: User) -> None:
    ada, readers = User.objects.create_user("ada"), Group.objects.create(name="readers")
    form = {"username": "ada", "is_active": "on", "is_staff": "on", "groups": [readers.pk]}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert office.post(url("accounts_user_change", ada.pk), form).status_code == 302
    entry = last()
    assert (entry.action, entry.actor, entry.label) == ("change account", grace, "ada")
    assert entry.detail["is_staff"] == ["False", "True"]
    assert entry.detail["groups"] == ["", "readers"]
    assert entry.address == "127.0.0.1"


def test_a_password_that_is_set_is_on_record_and_not_in_it(office: Client) -> None:
    ada = User.objects.create_user("ada", password="the first password")
    form = {"password1": "Xylophone-secret-9", "password2": "Xylophone-secret-9", "usable_password": "true"}
    assert office.post(url("auth_user_password_change", ada.pk), form).status_code == 302
    assert last().action == "change account"
    assert "Xylophone" not in str(list(AuditEntry.objects.values()))
    ada.refresh_from_db()
    assert ada.check_password("Xylophone-secret-9")


def test_an_account_that_is_made_is_on_record(office: Client) -> None:
    form = {"username": "bob", "password1": "Xylophone-secret-9", "password2": "Xylophone-secret-9"}
    assert office.post(url("accounts_user_add"), form | {"usable_password": "true"}).status_code == 302
    assert (last().action, last().label) == ("add account", "bob")
    assert "Xylophone" not in str(list(AuditEntry.objects.values()))


def test_one_or_many_that_are_deleted_are_on_record(office: Client) -> None:
    banners = [Banner.objects.create(text=f"Banner {n}") for n in range(3)]
    office.post(url("accounts_banner_delete", banners[0].pk), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [b.pk for b in banners[1:]], "post": "yes"}
    office.post(url("accounts_banner_changelist"), chosen)
    assert not Banner.objects.exists()
    entries = AuditEntry.objects.filter(action="delete banner")
    assert {entry.label for entry in entries} == {"Banner 0", "Banner 1", "Banner 2"}
    assert {entry.object_id for entry in entries} == {str(banner.pk) for banner in banners}


def test_what_is_refused_leaves_nothing_on_record(office: Client) -> None:
    assert office.post(url("accounts_banner_add"), {"text": ""}).status_code == 200
    assert not AuditEntry.objects.exists()


def test_a_key_s_scopes_that_are_changed_are_on_record(office: Client, grace: User) -> None:
    key, _ = create_key(user=grace, name="script", scopes=[Scope.CHAT])
    form = {"name": "script", "user": grace.pk, "scopes": '["chat", "admin"]'}
    form |= {"expiry_date_0": "", "expiry_date_1": ""}
    office.post(url("accounts_apikey_change", key.pk), form)
    assert (last().action, last().object_type) == ("change key", "key")
    assert last().detail["scopes"][1] == "admin, chat"


def test_rules_about_models_are_made_here_and_on_record(office: Client) -> None:
    model = Checkpoint.objects.create(name="rule-model", stage="think-sft", step=1, steps=1)
    group = Group.objects.create(name="readers")
    form = {"checkpoint": model.pk, "audience": "groups", "groups": [group.pk]}
    form |= {f"{name}_{part}": "" for name in ("opens_at", "closes_at") for part in (0, 1)}
    assert office.post(url("training_accessrule_add"), form).status_code == 302
    assert AccessRule.objects.get().groups.get() == group
    assert last().detail["checkpoint"] == ["", "rule-model"]
    dates = {
        "opens_at_0": "2026-02-01",
        "opens_at_1": "0:00",
        "closes_at_0": "2026-01-01",
        "closes_at_1": "0:00",
    }
    assert "close before it opens" in office.post(url("training_accessrule_add"), form | dates).text


def test_published_terms_are_neither_changed_nor_deleted(office: Client) -> None:
    draft = Terms.objects.create(text="Draft")
    assert office.get(url("accounts_terms_change", draft.pk)).status_code == 200
    out = Terms.objects.create(text="Out", published_at=timezone.now())
    address = url("accounts_terms_change", out.pk)
    assert office.post(address, {"title": "x", "text": "Anything goes"}).status_code == 403
    assert office.post(url("accounts_terms_delete", out.pk), {"post": "yes"}).status_code == 403
    assert Terms.objects.get(pk=out.pk).text == "Out"


def test_names_are_words_in_the_admin(office: Client) -> None:
    User.objects.create_user("<script>alert(1)</script>", first_name="<img src=x onerror=alert(1)>")
    Group.objects.create(name="<script>alert(2)</script>")
    Banner.objects.create(text="<script>alert(3)</script>")
    for where in ("accounts_user", "auth_group", "accounts_banner", "accounts_auditentry"):
        page = office.get(url(f"{where}_changelist")).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_an_administrator_with_few_rights_sees_and_does_what_they_allow(client: Client) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_banner"))
    client.force_login(clerk)
    assert client.get(url("accounts_banner_changelist")).status_code == 200
    assert client.post(url("accounts_banner_add"), {"text": "x"}).status_code == 403
    assert client.get(url("accounts_user_changelist")).status_code == 403
    assert not Banner.objects.exists()

"""Who may talk to which models: by rules, groups and dates."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.authentication import Caller
from accounts.models import Scope, User
from accounts.services import create_key
from playground.chat.models_offered import model_menu
from playground.chat.welcome import examples
from playground.models import Thread
from playground.openai.errors import ApiError
from playground.openai.models import all_models, find_checkpoint
from training.access import checkpoints_for
from training.models import AccessRule, Audience, Checkpoint, Flow, Job

pytestmark = pytest.mark.django_db


def make(name: str, flow: str = "") -> Checkpoint:
    job = Job.objects.create(flow=Flow.objects.create(name=flow), stage=name, position=0) if flow else None
    return Checkpoint.objects.create(
        name=name, job=job, stage="instruct-sft", step=9, steps=9, final=True, chat="chatml"
    )


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def readers(ada: User) -> Group:
    group = Group.objects.create(name="readers")
    ada.groups.add(group)
    return group


def names(user: User | AnonymousUser | None) -> set[str]:
    return set(checkpoints_for(user).values_list("name", flat=True))


def test_a_model_that_no_rule_names_is_open_to_everybody(ada: User) -> None:
    make("access-open")
    assert names(None) == names(AnonymousUser()) == names(ada) == {"access-open"}


def test_a_rule_closes_its_model_to_all_but_whom_it_admits(ada: User, readers: Group) -> None:
    make("access-open")
    rule = AccessRule.objects.create(checkpoint=make("access-closed"))
    rule.groups.add(readers)
    assert names(None) == names(User.objects.create_user("bob")) == {"access-open"}
    assert names(ada) == {"access-open", "access-closed"}
    assert names(User.objects.create_user("root", is_staff=True)) == {"access-open", "access-closed"}


def test_a_rule_that_admits_nobody_leaves_the_model_to_administrators(ada: User) -> None:
    AccessRule.objects.create(checkpoint=make("access-closed"))
    assert not names(ada)


def test_people_with_an_account_are_more_than_visitors(ada: User) -> None:
    AccessRule.objects.create(checkpoint=make("access-closed"), audience=Audience.SIGNED_IN)
    assert names(ada) == {"access-closed"}
    assert not names(None)


def test_a_rule_names_a_flow_or_every_model(ada: User, readers: Group) -> None:
    make("access-a", "access-flow-a")
    made = make("access-b", "access-flow-b")
    rule = AccessRule.objects.create(flow=made.job.flow)
    assert names(ada) == {"access-a"}
    rule.flow = None
    rule.save()
    assert names(ada) == set()
    rule.groups.add(readers)
    assert names(ada) == {"access-a", "access-b"}


@pytest.mark.parametrize(
    ("opens", "closes", "is_open"),
    [(-1, 1, True), (1, None, False), (None, -1, False), (-1, None, True), (None, 1, True)],
)
def test_a_model_is_open_from_its_first_day_to_its_last(
    opens: int | None, closes: int | None, is_open: bool
) -> None:
    now = timezone.now()
    opens_at, closes_at = (None if days is None else now + timedelta(days=days) for days in (opens, closes))
    model = make("access-dated")
    AccessRule.objects.create(
        checkpoint=model, audience=Audience.EVERYONE, opens_at=opens_at, closes_at=closes_at
    )
    assert names(None) == ({"access-dated"} if is_open else set())


def test_one_of_several_rules_is_enough_and_finds_a_model_once(ada: User, readers: Group) -> None:
    model = make("access-closed")
    for _ in range(2):
        AccessRule.objects.create(checkpoint=model).groups.add(readers)
    AccessRule.objects.create(checkpoint=model, audience=Audience.SIGNED_IN)
    assert list(checkpoints_for(ada)) == [model]


def test_rules_that_cannot_be_meant_are_refused() -> None:
    now, made = timezone.now(), make("access-b", "access-flow-c")
    with pytest.raises(ValidationError, match="not both"):
        AccessRule(checkpoint=made, flow=made.job.flow).clean()
    with pytest.raises(ValidationError, match="before it opens"):
        AccessRule(opens_at=now, closes_at=now).clean()


def test_a_closed_model_is_in_no_menu_no_list_and_no_form(client: Client, ada: User) -> None:
    closed = make("access-closed")
    AccessRule.objects.create(checkpoint=closed)
    assert model_menu(closed.name, user=ada).empty
    assert not examples(ada)
    assert closed.name not in client.get("/").text
    sent = client.post("/chat/", {"text": "Hello", "model": closed.name})
    assert sent.status_code == 422
    assert "no model of that name" in sent.text
    assert not Thread.objects.exists()


def test_programs_find_the_models_of_the_key_s_person_only(ada: User) -> None:
    closed = make("access-closed")
    AccessRule.objects.create(checkpoint=closed)
    key, _ = create_key(user=ada, name="access", scopes=[Scope.CHAT])
    assert not all_models(Caller(ada, key).user)
    with pytest.raises(ApiError, match="access-closed"):
        find_checkpoint(closed.name, ada)


def labels(user: User | None) -> list[str]:
    menu = model_menu(user=user)
    return [item.label for item in (*menu.heads, *menu.others, *menu.to_come)]


def test_the_picker_says_from_when_and_until_when(ada: User, readers: Group) -> None:
    now = timezone.now()
    opens, closes, later = (now + timedelta(days=days) for days in (1, 2, 3))
    make("access-open")
    coming, closing = make("access-coming"), make("access-closing", "access-flow-dated")
    AccessRule.objects.create(checkpoint=coming, opens_at=opens, closes_at=later).groups.add(readers)
    AccessRule.objects.create(flow=closing.job.flow, audience=Audience.EVERYONE, closes_at=closes)
    [until] = [label for label in labels(None) if "access-closing" in label]
    assert until.endswith(f"until {closes:%-d %B %Y, %H:%M} UTC")
    assert model_menu(user=None).to_come == []
    [coming_soon] = model_menu(user=ada).to_come
    assert coming_soon.label.endswith(f"from {opens:%-d %B %Y, %H:%M} UTC")
    assert "access-coming" not in model_menu("access-coming", user=ada).names
    AccessRule.objects.create(checkpoint=closing, audience=Audience.EVERYONE, opens_at=opens, closes_at=later)
    [longer] = [label for label in labels(None) if "access-closing" in label]
    assert longer.endswith(f"until {later:%-d %B %Y, %H:%M} UTC")
    AccessRule.objects.create(checkpoint=closing, audience=Audience.SIGNED_IN)
    assert not [label for label in labels(ada) if "until" in label]
    root = User.objects.create_user("root", is_staff=True)
    assert not [label for label in labels(root) if "until" in label or "from" in label]


def test_a_model_that_opens_later_stands_in_the_picker_and_cannot_be_chosen(client: Client) -> None:
    make("access-open")
    opens = timezone.now() + timedelta(days=1)
    AccessRule.objects.create(checkpoint=make("access-coming"), audience=Audience.EVERYONE, opens_at=opens)
    for address in ("/", "/compare/"):
        assert "<option disabled>access-coming" in client.get(address).text
    assert client.post("/chat/", {"text": "Hello", "model": "access-coming"}).status_code == 422

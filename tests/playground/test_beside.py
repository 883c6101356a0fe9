"""Models beside each other: every prompt is saved or none, names stay hidden until a vote, turns are told."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner
from playground.attachments.services import add_attachment, prompt_of
from playground.beside.forms import LineupForm
from playground.beside.lineups import LineupPrompt, add_round, create_lineup, threads_of
from playground.beside.models import Verdict
from playground.beside.votes import VoteRefused, cast_vote
from playground.chat.threads import Prompt, ThreadBusyError
from playground.core.errors import EngineUnavailable
from playground.engines import place_in_queue, want, what_is_missing
from playground.history.services import delete_thread, restore_thread
from playground.models import (
    Deployment,
    Engine,
    EngineState,
    Lineup,
    Message,
    MessageState,
    Seat,
    SharedLineup,
    SharedThread,
    SharedTurn,
    Thread,
    Vote,
)
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def models() -> list[Checkpoint]:
    return [
        Checkpoint.objects.create(name=name, stage="think-sft", step=9, steps=9, final=True, chat="chatml")
        for name in ("one", "two", "three")
    ]


@pytest.fixture
def visitor(client: Client) -> Client:
    session = SessionStore()
    session.create()
    client.cookies["sessionid"] = session.session_key
    return client


@pytest.fixture
def lineup(models: list[Checkpoint], visitor: Client) -> Lineup:
    return begin(visitor, asked(models))


def begin(visitor: Client, prompt: LineupPrompt) -> Lineup:
    key = visitor.cookies["sessionid"].value
    return create_lineup(owner=None, session_key=key, asked=prompt)[0]


def asked(
    models: list[Checkpoint], text: str = "What is 4 + 5?", *, sides: int = 2, blind: bool = False
) -> LineupPrompt:
    prompt = Prompt(text, models[0], {"temperature": 0.0, "max_tokens": 5})
    return LineupPrompt(prompt, tuple(models[1:sides]), blind=blind)


def complete(lineup: Lineup, *, with_trace: bool = False) -> None:
    span = {"start": 0, "end": 4, "token_start": 0, "token_end": 1, "text": "nine", "count": 1}
    trace = {
        "spans": [span | {"log_probability": -3.0, "relevance": "low", "stages": {"x": 1}, "documents": []}],
        "documents": [], "indexes": [], "text": "nine", "token_ids": [1], "model": "one",
        "coverage": {"share": 1.0, "longest_span_tokens": 1, "novel_share": 0.0}, "withheld": [],
    }  # fmt: skip
    for thread in threads_of(lineup):
        row = thread.messages.filter(state=MessageState.WRITING)
        row.update(
            state=MessageState.COMPLETE, raw_text="nine", token_ids=[1], trace=trace if with_trace else None
        )


@pytest.mark.parametrize("sides", [2, 3])
def test_one_prompt_begins_an_answer_by_every_model(
    visitor: Client, models: list[Checkpoint], sides: int
) -> None:
    lineup = begin(visitor, asked(models, sides=sides))
    for thread, name in zip(threads_of(lineup), ("one", "two", "three")[:sides], strict=True):
        prompt, answer = thread.messages.all()
        assert prompt.raw_text == "What is 4 + 5?"
        assert answer.state == MessageState.WRITING
        assert answer.checkpoint
        assert answer.checkpoint.name == name


def test_while_one_still_answers_nothing_is_added_to_the_others(
    lineup: Lineup, models: list[Checkpoint]
) -> None:
    left, right = threads_of(lineup)
    left.messages.filter(state=MessageState.WRITING).update(state=MessageState.COMPLETE)
    with pytest.raises(ThreadBusyError):
        add_round(lineup=lineup, asked=asked(models, "And 5 + 6?"))
    assert left.messages.count() == right.messages.count() == 2
    complete(lineup)
    assert [answer.position for answer in add_round(lineup=lineup, asked=asked(models, "And?"))] == [3, 3]


def test_a_thread_stands_in_one_lineup_only(lineup: Lineup) -> None:
    with pytest.raises(IntegrityError):
        Seat.objects.create(lineup=Lineup.objects.create(), place=0, thread=threads_of(lineup)[0])


@pytest.mark.parametrize("sides", [2, 3])
def test_a_reload_shows_all_and_what_can_be_compared(
    visitor: Client, models: list[Checkpoint], sides: int
) -> None:
    lineup = begin(visitor, asked(models, sides=sides))
    address = f"/compare/{lineup.pk}/"
    page = visitor.get(address).content.decode()
    assert page.count('class="prompt"') == 1
    assert page.count("sse-connect") == sides
    assert "Compare their traces" not in page
    complete(lineup, with_trace=True)
    page = visitor.get(address).content.decode()
    assert "sse-connect" not in page
    answers = [thread.messages.get(role="assistant").pk for thread in threads_of(lineup)]
    refs = zip(("left", "right", "third"), answers, strict=False)
    query = "&amp;".join(f"{name}=answer-{pk}" for name, pk in refs)
    together = visitor.get(f"{address}rounds/0/").content.decode()
    assert f"/compare/?{query}" in together
    assert "hx-trigger" not in together


def test_lineups_have_their_own_list_and_leave_the_chats_alone(visitor: Client, lineup: Lineup) -> None:
    assert f"/compare/{lineup.pk}/" in visitor.get("/compare/").content.decode()
    assert str(threads_of(lineup)[0].pk) not in visitor.get("/").content.decode()


def test_a_blind_lineup_names_no_model_until_the_vote(visitor: Client, models: list[Checkpoint]) -> None:
    lineup = begin(visitor, asked(models, sides=3, blind=True))
    address = f"/compare/{lineup.pk}/"
    complete(lineup, with_trace=True)
    pages = [address, f"{address}rounds/0/"]
    for page in pages:
        content = visitor.get(page).content.decode()
        assert not [
            name for name in ("one", "two", "three") if f">{name}<" in content or f'"{name}"' in content
        ]
        assert "/spans/" not in content
        assert "In the training data" not in content
    assert visitor.post(f"{address}vote/", {"verdict": "1"}).status_code == 302
    names = [thread.messages.last().checkpoint.name for thread in threads_of(lineup)]
    content = visitor.get(address).content.decode()
    assert f"You preferred <strong>{names[1]}</strong>" in content
    assert all(f">{name}<" in content for name in names)
    assert Vote.objects.get().names == names


def test_the_models_of_a_blind_lineup_stay_where_they_are(visitor: Client, models: list[Checkpoint]) -> None:
    lineup = begin(visitor, asked(models, blind=True))
    complete(lineup)
    before = [thread.messages.last().checkpoint for thread in threads_of(lineup)]
    sent = LineupForm({"text": "x", "model": "one", "right": "one", "blind": "1"})
    assert not sent.is_valid()
    assert "needs different models" in sent.first_error()
    complete(lineup)
    visitor.post(f"/compare/{lineup.pk}/messages/", {"text": "And?", "model": "three", "right": "three"})
    assert [thread.messages.last().checkpoint for thread in threads_of(lineup)] == before


def test_a_vote_stays_and_waits_for_every_answer(visitor: Client, models: list[Checkpoint]) -> None:
    lineup = begin(visitor, asked(models, blind=True))
    with pytest.raises(VoteRefused, match="Wait until every answer"):
        cast_vote(lineup=lineup, verdict=Verdict.TIE)
    complete(lineup)
    for wrong in ({"verdict": "7"}, {"verdict": "nan"}, {}, {"verdict": "2"}):
        assert visitor.post(f"/compare/{lineup.pk}/vote/", wrong).status_code == 422
    cast_vote(lineup=lineup, verdict=Verdict.TIE)
    with pytest.raises(VoteRefused, match="stays as it was cast"):
        cast_vote(lineup=lineup, verdict=Verdict.BETTER, winner=0)
    assert Vote.objects.get().verdict == Verdict.TIE


def test_what_is_known_is_not_voted_on(lineup: Lineup) -> None:
    complete(lineup)
    with pytest.raises(VoteRefused, match="Only a blind comparison"):
        cast_vote(lineup=lineup, verdict=Verdict.BETTER, winner=0)


def test_the_running_score_counts_pair_by_pair(visitor: Client, models: list[Checkpoint]) -> None:
    lineup = begin(visitor, asked(models, sides=3, blind=True))
    complete(lineup)
    vote = cast_vote(lineup=lineup, verdict=Verdict.BETTER, winner=0)
    page = visitor.get("/compare/score/").content.decode()
    mine, _ = page.split("Everybody's votes")
    assert vote.preferred in mine
    assert "1 vote" in mine
    other = Client().get("/compare/score/").content.decode()
    assert "None yet" in other.split("Everybody's votes")[0]
    assert vote.preferred in other


@pytest.mark.parametrize(
    ("verb", "address"),
    [
        ("get", "/compare/{}/"),
        ("post", "/compare/{}/messages/"),
        ("post", "/compare/{}/stop/"),
        ("post", "/compare/{}/vote/"),
        ("get", "/compare/{}/rounds/0/"),
        ("get", "/compare/{}/answers/{}/stream/"),
        ("post", "/compare/{}/delete/"),
        ("post", "/compare/{}/restore/"),
        ("post", "/compare/{}/purge/"),
        ("post", "/compare/{}/share/"),
    ],
)
def test_other_peoples_lineups_do_not_exist(
    lineup: Lineup, models: list[Checkpoint], verb: str, address: str
) -> None:
    complete(lineup)
    reader = Client()
    reader.force_login(User.objects.create_user("reader"))
    form = {"text": "Hello", "model": "one", "right": "two", "verdict": "0"}
    answer = threads_of(lineup)[0].messages.last()
    for stranger in (Client(), reader):
        for pk in (lineup.pk, uuid.uuid4()):
            assert getattr(stranger, verb)(address.format(pk, answer.pk), form).status_code == 404
    assert Message.objects.count() == 4


def test_half_of_somebody_elses_lineup_is_none_of_ones_own(visitor: Client, lineup: Lineup) -> None:
    Thread.objects.filter(pk=threads_of(lineup)[1].pk).update(session_key="another")
    assert visitor.get(f"/compare/{lineup.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": " "}, "Write something first."),
        ({"right": "none"}, "no model of that name"),
        ({"right": ""}, "Choose a model first."),
        ({"third": "none"}, "no model of that name"),
        ({"right": "one", "blind": "1"}, "needs different models"),
        ({"temperature": "nan"}, "Temperature: Enter a number."),
    ],
)
def test_what_cannot_be_sent_to_all_is_sent_to_none(
    client: Client, models: list[Checkpoint], fields: dict[str, str], says: str
) -> None:
    form = {"text": "Hello", "model": "one", "right": "two"} | fields
    answer = client.post("/compare/", form, headers={"hx-request": "true"})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Message.objects.exists()


def test_the_pickers_begin_with_the_models_asked_for(client: Client, models: list[Checkpoint]) -> None:
    page = client.get("/compare/?a=two&b=one").content.decode()
    left, right = page.split('id="right"')
    assert 'value="two" selected' in left
    assert 'value="one" selected' in right


def test_whose_turn_it_is_follows_from_who_has_waited_longest(models: list[Checkpoint]) -> None:
    for model in models:
        want(model)
    assert [place_in_queue(model) for model in models] == [1, 2, 3]
    now = timezone.now()
    Engine.objects.create(slot=0, state=EngineState.READY, checkpoint=models[0], heartbeat_at=now)
    assert [place_in_queue(model) for model in models[1:]] == [1, 2]
    Deployment.objects.filter(checkpoint=models[1]).update(wanted_at=now - timedelta(minutes=1))
    assert place_in_queue(models[2]) == 1
    want(models[1])
    assert place_in_queue(models[1]) == 2


def test_a_damaged_checkpoint_is_refused_at_once_with_the_reason(models: list[Checkpoint]) -> None:
    Checkpoint.objects.filter(pk=models[0].pk).update(damage="The weights are others.")
    with pytest.raises(EngineUnavailable, match="one cannot be served: The weights are others"):
        what_is_missing(models[0], waited_s=0, timeout_s=60)


def test_a_deleted_comparison_comes_back_whole_or_goes_whole(visitor: Client, lineup: Lineup) -> None:
    complete(lineup)
    address = f"/compare/{lineup.pk}/"
    gone = visitor.post(f"{address}delete/")
    assert gone["Location"] == f"/compare/?deleted={lineup.pk}"
    page = visitor.get(gone["Location"]).content.decode()
    assert f'action="{address}restore/"' in page
    assert f'href="{address}"' not in page
    assert visitor.get(address).status_code == 404
    assert f'action="{address}purge/"' in visitor.get("/chats/deleted/").content.decode()
    assert visitor.post(f"{address}restore/").status_code == 302
    assert visitor.get(address).status_code == 200
    assert visitor.post(f"{address}purge/").status_code == 404
    visitor.post(f"{address}delete/")
    assert visitor.post(f"{address}purge/").status_code == 302
    assert not Thread.objects.exists()


def test_one_of_several_conversations_takes_the_others_along(visitor: Client, lineup: Lineup) -> None:
    for thread in threads_of(lineup):
        assert {answer.thread_id for answer in delete_thread(thread=thread)} == {
            each.pk for each in threads_of(lineup)
        }
        assert not Thread.objects.kept().exists()
        restore_thread(thread=thread)
        assert Thread.objects.kept().count() == 2


def test_a_file_goes_with_the_prompt_to_every_model(visitor: Client, models: list[Checkpoint]) -> None:
    key = visitor.cookies["sessionid"].value
    upload = SimpleUploadedFile("notes.md", b"Tides rise.")
    file = add_attachment(owner=Owner(None, key), upload=upload)
    assert 'id="attach"' in visitor.get("/compare/").content.decode()
    form = {"text": "What rises?", "model": "one", "right": "two", "attachments": str(file.pk)}
    address = visitor.post("/compare/", form)["Location"]
    assert "notes.md" in visitor.get(address).content.decode()
    for answer in Message.objects.filter(role="assistant").select_related("checkpoint"):
        assert prompt_of(answer.parent).startswith("notes.md:\n```")


def test_a_prompt_that_is_sent_twice_is_compared_once(visitor: Client, models: list[Checkpoint]) -> None:
    form = {"text": "Hello", "model": "one", "right": "two", "question_id": str(uuid.uuid4())}
    first, again = (visitor.post("/compare/", form)["Location"] for _ in range(2))
    assert first == again
    other = visitor.post("/compare/", form | {"text": "Something else"})["Location"]
    assert other != first
    assert Lineup.objects.count() == 2


def shared(visitor: Client, lineup: Lineup) -> SharedLineup:
    response = visitor.post(f"/compare/{lineup.pk}/share/", {"days": "7"}, headers={"hx-request": "true"})
    link = SharedLineup.objects.first()
    assert response.status_code == 200
    assert f"/shared/comparisons/{link.token}/" in response.content.decode()
    return link


@pytest.mark.django_db(transaction=True)
def test_a_stranger_reads_a_shared_comparison_with_its_traces_and_their_difference(
    visitor: Client, models: list[Checkpoint]
) -> None:
    lineup = begin(visitor, asked(models, sides=3, blind=True))
    complete(lineup, with_trace=True)
    refused = visitor.post(f"/compare/{lineup.pk}/share/", headers={"hx-request": "true"})
    assert (refused.status_code, SharedLineup.objects.count()) == (422, 0)
    assert "vote first" in refused.content.decode()
    vote = cast_vote(lineup=lineup, verdict=Verdict.BETTER, winner=1)
    link = shared(visitor, lineup)
    Message.objects.update(raw_text="other", trace=None)
    page = Client().get(f"/shared/comparisons/{link.token}/")
    content = page.content.decode()
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert all(f'class="model">{name}<' in content for name in ("one", "two", "three"))
    assert "What is 4 + 5?" in content
    assert "other" not in content.replace("another", "")
    assert f"they preferred {vote.preferred}." in content
    assert "/shared/chats/" in content
    difference = Client().get(f"/shared/comparisons/{link.token}/rounds/0/").content.decode()
    assert "Three traces side by side" in difference
    assert "span-both" in difference
    assert Client().get(f"/shared/comparisons/{link.token}/rounds/1/").status_code == 404
    panel = re.search(r"/shared/chats/[^/]+/1/spans/0-4/", content)
    assert panel
    assert Client().get(panel[0]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_comparison_keeps_its_link_until_it_changes_or_is_revoked(visitor: Client, lineup: Lineup) -> None:
    complete(lineup, with_trace=True)
    link = shared(visitor, lineup)
    assert shared(visitor, lineup) == link
    side = SharedThread.objects.first()
    links = visitor.get("/shares/").content.decode()
    assert link.token in links
    assert side.token not in links
    stranger = Client()
    assert stranger.post(f"/shares/comparisons/{link.pk}/revoke/").status_code == 404
    assert visitor.post(f"/shares/comparisons/{link.pk}/revoke/").status_code == 302
    for address in (
        f"comparisons/{link.token}/",
        f"comparisons/{link.token}/rounds/0/",
        f"chats/{side.token}/",
    ):
        assert stranger.get(f"/shared/{address}").status_code == 404
    assert not SharedTurn.objects.exists()
    assert shared(visitor, lineup) != link

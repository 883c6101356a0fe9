"""Pages of traces: whose they are, what they escape, what they withhold, and links that others may follow."""

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings
from redis import Redis

from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules
from accounts.models import User
from accounts.owners import Owner
from playground.models import Message, MessageState, Role, Thread
from tracing.kept import keep_trace
from tracing.models import KeptTrace, Share
from tracing.sharing import share_trace
from training.models import Checkpoint

pytestmark = pytest.mark.django_db(transaction=True)
Json = dict[str, Any]
EVIL = "<script>alert(1)</script>"
RAW = {f"<{tag}" for tag in ("script>alert", "img src=x")}


def document(number: int, **fields: Any) -> Json:
    place = {"store": "books", "document": number, "relevance": "high", "seen": None}
    told = {
        "id": f"d{number}",
        "corpus": "books",
        "stage": "pretrain",
        "source": f"shelf {number}",
        "url": None,
    }
    text = {
        "title": f"Book {number}",
        "licence": "CC0",
        "snippet": f"{EVIL} words {number}",
        "matches": [[0, 8]],
    }
    return place | told | text | fields


def trace_of(text: str, documents: list[Json], **fields: Any) -> Json:
    found = {"start": 0, "end": len(text), "token_start": 0, "token_end": 3, "text": text, "count": 2}
    found |= {"stages": {"pretrain": 2}, "relevance": "high", "log_probability": -30.0}
    span = found | {"documents": list(range(len(documents)))}
    indexes = [{"name": "books", "stage": "pretrain", "digest": "d", "tokens": 9, "documents": 9}]
    told = {"coverage": {"share": 1.0, "longest_span_tokens": 3, "novel_share": 0.0}, "withheld": []}
    return (
        {"model": "demo", "text": text, "token_ids": [1, 2, 3], "indexes": indexes}
        | told
        | {
            "spans": [span],
            "documents": documents,
        }
        | fields
    )


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def answer_of(owner: User, text: str, trace: Json) -> Message:
    checkpoint, _ = Checkpoint.objects.get_or_create(
        name="demo", defaults={"stage": "sft", "step": 1, "steps": 1}
    )
    thread = Thread.objects.create(owner=owner, title="Chat")
    asked = Message.objects.create(thread=thread, position=0, role=Role.USER, raw_text=f"What? {EVIL}")
    return Message.objects.create(
        thread=thread,
        parent=asked,
        position=1,
        role=Role.ASSISTANT,
        raw_text=text,
        checkpoint=checkpoint,
        trace=trace,
    )


@pytest.fixture
def answer(ada: User) -> Message:
    text = f"It is so. {EVIL}"
    return answer_of(ada, text, trace_of(text, [document(1), document(2, stage="midtrain")]))


@pytest.fixture
def kept(ada: User) -> KeptTrace:
    documents = [document(1, title=EVIL, source=EVIL, licence=EVIL, url="javascript:alert(1)")]
    return keep_trace(
        owner=Owner(ada), trace=trace_of(f"{EVIL}<img src=x onerror=alert(1)>", documents, model=EVIL)
    )


def test_hostile_text_titles_and_names_are_text(browser: Client, kept: KeptTrace, answer: Message) -> None:
    share = share_trace(trace=kept)
    end = len(kept.text)
    pages = [f"/trace/{kept.pk}/", f"/trace/{kept.pk}/spans/0-{end}/", f"/shared/{share.token}/", "/trace/"]
    pages += [f"/shared/{share.token}/spans/0-{end}/", "/shares/", f"/messages/{answer.pk}/trace/"]
    pages += [f"/compare/?left=text-{kept.pk}", f"/compare/?left=text-{kept.pk}&right=answer-{answer.pk}"]
    for page in pages:
        response = browser.get(page)
        content = response.content.decode()
        assert response.status_code == 200, page
        assert not [raw for raw in RAW if raw in content], page
        assert "javascript:" not in content, page
    assert "&lt;script&gt;" in browser.get(f"/trace/{kept.pk}/").content.decode()


def test_someone_elses_traces_and_links_do_not_exist(
    browser: Client, kept: KeptTrace, answer: Message
) -> None:
    share = share_trace(trace=kept)
    mallory, nobody = Client(), Client()
    mallory.force_login(User.objects.create_user("mallory"))
    addresses = [("get", f"/trace/{kept.pk}/"), ("get", f"/trace/{kept.pk}/spans/0-5/")]
    addresses += [("post", f"/trace/{kept.pk}/share/"), ("post", f"/trace/{kept.pk}/delete/")]
    addresses += [("post", f"/shares/{share.pk}/revoke/"), ("post", f"/messages/{answer.pk}/share/")]
    addresses += [("get", f"/messages/{answer.pk}/trace/"), ("get", f"/compare/?left=text-{kept.pk}")]
    addresses += [("get", f"/compare/?left=answer-{answer.pk}"), ("get", "/compare/?left=nonsense")]
    for visitor in (mallory, nobody):
        for verb, address in addresses:
            assert getattr(visitor, verb)(address).status_code == 404, address
        assert "alert(1)" not in visitor.get("/shares/").content.decode()
    assert browser.get(f"/compare/?left=text-{kept.pk}&right=text-{uuid.uuid4()}").status_code == 404
    assert KeptTrace.objects.get() == kept
    assert Share.objects.living().get() == share


def test_an_anonymous_browser_has_its_own_links(kept: KeptTrace) -> None:
    visitor = Client()
    visitor.get("/shares/")
    mine = keep_trace(owner=Owner(None, visitor.session.session_key), trace=trace_of("mine", [document(1)]))
    assert visitor.post(f"/trace/{mine.pk}/share/").status_code == 302
    assert "mine" in visitor.get("/shares/").content.decode()
    share = Share.objects.get(trace=mine)
    assert visitor.post(f"/shares/{share.pk}/revoke/").status_code == 302
    assert Client().get(f"/shared/{share.token}/").status_code == 404


def test_a_shared_answer_stays_as_it_was_and_is_listed_nowhere(browser: Client, answer: Message) -> None:
    response = browser.post(f"/messages/{answer.pk}/share/", {"days": "7"}, headers={"hx-request": "true"})
    share = Share.objects.get()
    assert f"http://testserver/shared/{share.token}/" in response.content.decode()
    assert share.expires_at
    Message.objects.filter(pk=answer.pk).update(raw_text="other", trace=None)
    reader = Client().get(f"/shared/{share.token}/")
    assert "It is so." in reader.content.decode()
    assert reader["X-Robots-Tag"] == "noindex, nofollow"
    assert reader["Referrer-Policy"] == "no-referrer"
    assert 'name="robots" content="noindex' in reader.content.decode()
    assert Client().get(f"/shared/{share.token}x/").status_code == 404


def test_what_is_withheld_now_is_not_in_a_shared_trace(browser: Client, answer: Message) -> None:
    from tracing.models import StoreVersion, Withholding

    browser.post(f"/messages/{answer.pk}/share/")
    address = f"/shared/{Share.objects.get().token}/spans/0-5/"
    assert "Book 1" in Client().get(address).content.decode()
    StoreVersion.objects.create(store_name="books", digest="d", version=1)
    Withholding.objects.create(store_name="books", digest="d", document=1, reason="taken down", version=1)
    content = Client().get(address).content.decode()
    assert "Book 1" not in content
    assert "Book 2" in content
    assert "1 document behind this text is withheld: 1 was taken down." in content


def test_filters_are_plain_links_that_leave_the_other_documents_out(browser: Client, answer: Message) -> None:
    panel = f"/messages/{answer.pk}/spans/0-5/"
    everything = browser.get(panel).content.decode()
    assert f'href="{panel}?stage=midtrain"' in everything
    filtered = browser.get(f"{panel}?stage=midtrain").content.decode()
    assert "Book 2" in filtered
    assert "Book 1" not in filtered
    assert "(1 left out)" in filtered
    assert "None of its documents passes" in browser.get(f"{panel}?licence=unknown").content.decode()


def test_repeats_of_a_source_are_folded_under_the_first(browser: Client, ada: User) -> None:
    same = {"source": "shelf", "snippet": "the same words"}
    answer = answer_of(ada, "It is.", trace_of("It is.", [document(n, **same) for n in range(4)]))
    content = browser.get(f"/messages/{answer.pk}/spans/0-5/").content.decode()
    assert "3 more" in content


def test_the_panel_says_of_a_document_that_it_is_a_rated_chat(browser: Client, ada: User) -> None:
    origin = f"A chat that was rated here on 3 November 2026. {EVIL}"
    answer = answer_of(ada, "It is.", trace_of("It is.", [document(1, origin=origin)]))
    content = browser.get(f"/messages/{answer.pk}/spans/0-5/").content.decode()
    assert '<p class="origin">A chat that was rated here on 3 November 2026. &lt;script&gt;' in content


def test_the_panel_says_when_bytes_matched_and_when_an_index_was_away(browser: Client, ada: User) -> None:
    trace = trace_of("It is.", [document(1)])
    trace["spans"][0]["matched_on"] = "bytes"
    trace["indexes"][0] |= {"answered": False, "reason": "its node did not answer within 5.0 s."}
    answer = answer_of(ada, "It is.", trace)
    content = browser.get(f"/messages/{answer.pk}/spans/0-5/").content.decode()
    assert "Matched letter by letter" in content
    assert 'href="/stores/books/documents/1/?text=It+is.#part-1"' in content
    assert f"of {len(trace['indexes'])} indexes answered. books: its node did not answer" in content


def test_two_texts_side_by_side_share_runs_and_documents(browser: Client, ada: User) -> None:
    left = answer_of(ada, "the cat sat", trace_of("the cat sat", [document(1), document(2)]))
    right = answer_of(ada, "then the  cat sat down", trace_of("the  cat sat", [document(2), document(3)]))
    other = answer_of(ada, "a dog", trace_of("a dog", [document(4)]))
    same = browser.get(f"/compare/?left=answer-{left.pk}&right=answer-{right.pk}").content.decode()
    assert same.count("span-both") == 3  # the legend and both texts
    assert same.count("Book 2") == 1
    differ = browser.get(f"/compare/?left=answer-{left.pk}&right=answer-{other.pk}").content.decode()
    assert differ.count("span-only") == 3
    assert "None of the documents" in differ
    chooser = browser.get(f"/compare/?left=answer-{left.pk}").content.decode()
    assert f"right=answer-{other.pk}" in chooser


def test_of_three_texts_it_is_said_what_all_two_or_one_have(browser: Client, ada: User) -> None:
    texts = {"the cat": [1, 2], "then the  cat sat": [2, 3], "the cat sat": [3, 4]}
    answers = [
        answer_of(ada, text, trace_of(text, [document(number) for number in numbers]))
        for text, numbers in texts.items()
    ]
    refs = zip(("left", "right", "third"), answers, strict=True)
    address = "/compare/?" + "&".join(f"{name}=answer-{answer.pk}" for name, answer in refs)
    content = browser.get(address).content.decode()
    sides = content.split('<section class="side"')[1:]
    assert ["span-both" in sides[0], "span-only" in sides[1], "span-some" in sides[2]] == [True] * 3
    assert content.count("Book 2") == content.count("Book 3") == 1
    assert "Book 1" not in content
    stranger = Client()
    assert stranger.get(address).status_code == 404
    foreign = f"{address.rsplit('=', 1)[0]}=answer-{uuid.uuid4()}"
    assert browser.get(foreign).status_code == 404


@pytest.mark.parametrize("query", ["density=nan", "density=2", "min_tokens=0", "min_tokens=x", "view=evil"])
def test_lighting_out_of_bounds_is_refused(browser: Client, answer: Message, query: str) -> None:
    assert browser.get(f"/messages/{answer.pk}/trace/?{query}").status_code == 400


def test_a_deleted_model_is_said_and_the_kept_trace_stays(browser: Client, kept: KeptTrace) -> None:
    content = browser.get(f"/trace/{kept.pk}/?density=0.5").content.decode()
    assert "has been deleted" in content
    assert "span-high" in content


def test_a_deleted_trace_takes_its_links_along(browser: Client, kept: KeptTrace) -> None:
    share = share_trace(trace=kept)
    assert browser.post(f"/trace/{kept.pk}/delete/").status_code == 302
    assert Client().get(f"/shared/{share.token}/").status_code == 404


def test_a_link_opens_where_everything_else_needs_an_account(kept: KeptTrace) -> None:
    login = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    share = share_trace(trace=kept)
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, login]):
        assert Client().get(f"/shared/{share.token}/").status_code == 200
        assert Client().get(f"/shared/{share.token}/spans/0-5/").status_code == 200
        for page in ("/trace/", "/shares/", f"/trace/{kept.pk}/"):
            assert Client().get(page).status_code == 302, page


def test_an_answer_in_the_making_is_traced_for_nobody_who_is_over_a_limit(
    browser: Client, ada: User, redis_server: Redis
) -> None:
    """Its model has no files: tracing it would fail otherwise than by the limit."""
    answer = answer_of(ada, "Words.", trace_of("Words.", []))
    Message.objects.filter(pk=answer.pk).update(state=MessageState.WRITING)
    Limit.objects.create(
        audience=Audience.PERSON, user=ada, resource=Resource.REQUESTS, amount=0, period=Period.DAY
    )
    forget_rules()
    try:
        assert browser.get(f"/messages/{answer.pk}/spans/0-5/").status_code == 429
    finally:
        Limit.objects.all().delete()
        forget_rules()

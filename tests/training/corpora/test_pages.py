"""The page of an imported checkpoint: what it says without corpora and with them, and who may change them."""

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from tests.training.exchange.test_importing import TEXT
from training.models import Checkpoint, TrainedOn
from training.traces import trace_checkpoint

PAGE = "/checkpoints/guest/"
ATTACH, DETACH = f"{PAGE}corpora/attach/", f"{PAGE}corpora/detach/"


@pytest.fixture
def administrator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_user("grace", is_staff=True))
    return client


def page_of(client: Client, page: str = PAGE) -> str:
    return str(client.get(page).content.decode())


def posted(client: Client, address: str, corpus: str) -> str:
    """The page that one comes back to."""
    response = client.post(address, {"corpus": corpus}, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def test_without_corpora_the_page_says_that_answers_cannot_be_traced_and_leads_to_the_form(
    administrator: Client, guest: Checkpoint, fitting: list[str]
) -> None:
    page = page_of(administrator)
    assert "Its answers cannot be traced yet" in page
    assert '<a href="#attach-a-corpus">' in page
    assert 'id="attach-a-corpus"' in page
    assert "docs/models.md" in page
    for name in fitting:
        assert f'<option value="{name}">{name} · pretrain · CC0-1.0' in page


def test_without_a_corpus_that_fits_the_page_says_how_one_is_imported(
    administrator: Client, guest: Checkpoint, foreign: str
) -> None:
    page = page_of(administrator)
    assert "<option" not in page.split('id="attach-a-corpus"')[1].split("</form>")[0]
    assert "--tokenizer HEADWATER_HOME/checkpoints/guest" in page


def test_an_attached_corpus_is_listed_with_stage_and_licence_and_traced_to(
    administrator: Client, guest: Checkpoint, fitting: list[str]
) -> None:
    page = posted(administrator, ATTACH, fitting[0])
    assert "first-part is attached: answers of guest are traced to it from now on." in page
    assert '<a href="/stores/first-part/">first-part</a>' in page
    assert "pretrain · CC0-1.0 · 1 document · " in page
    assert "Traces of its answers search this corpus" in page
    assert "cannot be traced" not in page
    assert '<option value="first-part">' not in page
    found = trace_checkpoint(guest, text=TEXT)
    assert {document["corpus"] for document in found["documents"]} == {"first-part"}
    assert "search these 2 corpora" in posted(administrator, ATTACH, fitting[1])
    acts = AuditEntry.objects.filter(action="attach corpora", actor__username="grace", label="guest")
    assert [act.detail["corpora"] for act in acts.order_by("pk")] == [["first-part"], ["second-part"]]


def test_a_corpus_attached_by_mistake_is_detached(
    administrator: Client, guest: Checkpoint, fitting: list[str]
) -> None:
    posted(administrator, ATTACH, fitting[0])
    page = posted(administrator, DETACH, fitting[0])
    assert "first-part is detached" in page
    assert "Its answers cannot be traced yet" in page
    assert not TrainedOn.objects.exists()
    assert AuditEntry.objects.filter(action="detach corpora", actor__username="grace").count() == 1


@pytest.mark.parametrize(
    ("address", "corpus", "words"),
    [
        (ATTACH, "foreign-part", "the corpus foreign-part holds ids of tokenizer"),
        (ATTACH, "nowhere", "there is no corpus &#x27;nowhere&#x27;"),
        (ATTACH, "<b>bold</b>", "there is no corpus &#x27;&lt;b&gt;bold&lt;/b&gt;&#x27;"),
        (ATTACH, "first-part", "guest has first-part already"),
        (ATTACH, "", "choose a corpus. This field is required."),
        (ATTACH, "a\0b", "choose a corpus. Null characters are not allowed."),
        (ATTACH, "x" * 201, "choose a corpus. Ensure this value has at most 200 characters"),
        (DETACH, "second-part", "guest has no corpus &#x27;second-part&#x27;, only first-part"),
        ("/checkpoints/native/corpora/attach/", "first-part", "native was trained here"),
        ("/checkpoints/native/corpora/detach/", "first-part", "native was trained here"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(
    administrator: Client, guest: Checkpoint, native: Checkpoint, fitting: list[str], foreign: str,
    address: str, corpus: str, words: str,
) -> None:  # fmt: skip
    posted(administrator, ATTACH, "first-part")
    rows, acts = list(TrainedOn.objects.values()), AuditEntry.objects.count()
    page = posted(administrator, address, corpus)
    assert "Nothing was changed: " in page
    assert words in page
    assert list(TrainedOn.objects.values()) == rows
    assert AuditEntry.objects.count() == acts


def test_what_was_trained_here_has_no_such_form(administrator: Client, native: Checkpoint) -> None:
    page = page_of(administrator, "/checkpoints/native/")
    assert "Attach a corpus" not in page
    assert "made elsewhere" not in page
    assert administrator.post("/checkpoints/nobody/corpora/attach/").status_code == 404


def test_nobody_but_administrators_sees_the_form_or_changes_anything(
    client: Client, guest: Checkpoint, fitting: list[str]
) -> None:
    client.force_login(User.objects.create_user("bob"))
    page = page_of(client)
    assert "Its answers cannot be traced yet" in page
    assert "An administrator can attach one here" in page
    assert "attach-a-corpus" not in page
    for address in (ATTACH, DETACH):
        assert client.post(address, {"corpus": fitting[0]}).status_code == 403
        assert client.get(address).status_code == 403
    client.logout()
    assert client.post(ATTACH, {"corpus": fitting[0]}).headers["Location"].startswith("/sign-in/")
    assert not TrainedOn.objects.exists()

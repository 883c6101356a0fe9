"""The pages of data sets: for administrators alone, of their own uploads alone, everything escaped."""

import io
import json
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.training.datasets.uploads import CHAT, OPENAI_PREFERENCE, PROMPT, chat, jsonl
from training.core.datasets.measures import histogram, truncation
from training.datasets.services import upload_dataset
from training.datasets.validation import work_on
from training.models import Checkpoint, Dataset, DatasetState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", is_staff=True)


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


Bring = Callable[..., Dataset]


@pytest.fixture
def bring(ada: User) -> Bring:
    def checked(*rows: object, name: str = "greetings.jsonl") -> Dataset:
        dataset = upload_dataset(owner=ada, file=io.BytesIO(jsonl(*rows)), name=name)
        work_on(str(dataset.pk))
        dataset.refresh_from_db()
        return dataset

    return checked


def page(client: Client, dataset: Dataset, **query: object) -> str:
    return client.get(reverse("dataset", args=[dataset.pk]), query).content.decode()


def test_the_form_keeps_an_upload_and_shows_its_report(browser: Client) -> None:
    file = SimpleUploadedFile("greetings.jsonl", jsonl(CHAT))
    answer = browser.post(reverse("datasets"), {"file": file, "licence": "CC0"})
    dataset = Dataset.objects.get()
    assert answer["Location"] == reverse("dataset", args=[dataset.pk])
    assert (dataset.name, dataset.licence) == ("greetings.jsonl", "CC0")
    waiting = page(browser, dataset)
    assert 'hx-trigger="every 1s"' in waiting
    work_on(str(dataset.pk))
    assert "Headwater." in page(browser, dataset)
    assert 'hx-trigger="every 1s"' not in page(browser, dataset)
    assert "greetings.jsonl" in browser.get(reverse("datasets")).content.decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "no file was sent"),
        ({"file": "a text"}, "no file was sent"),
        ({"file": SimpleUploadedFile("empty.jsonl", b"")}, "the file is empty"),
    ],
)
def test_a_refused_upload_is_explained_on_the_page(
    browser: Client, sent: dict[str, object], words: str
) -> None:
    answer = browser.post(reverse("datasets"), sent)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Dataset.objects.exists()


def test_names_and_rows_are_shown_as_text(browser: Client, bring: Bring) -> None:
    dataset = bring(chat(EVIL, EVIL), {"messages": [{"role": EVIL, "content": "x"}]}, name=f"{EVIL}.jsonl")
    for shown in (page(browser, dataset), browser.get(reverse("datasets")).content.decode()):
        assert "<img src=x" not in shown
        assert "<script>alert" not in shown
    assert "&lt;script&gt;" in page(browser, dataset)


def test_bad_rows_are_listed_with_their_lines_and_can_be_left_out(browser: Client, bring: Bring) -> None:
    dataset = bring(CHAT, *["{"] * 120, *[CHAT] * 150)
    assert dataset.state == DatasetState.FAULTY
    shown = page(browser, dataset)
    assert "no JSON object: 120" in shown
    assert "The first 100 are listed, 20 more" in shown
    assert browser.post(reverse("leave-out-rows", args=[dataset.pk])).status_code == 302
    dataset.refresh_from_db()
    assert dataset.is_ready
    assert "Leave them out" not in page(browser, dataset)


def test_the_rows_can_be_leafed_through(browser: Client, bring: Bring) -> None:
    dataset = bring(*[chat(f"Question {n}?", f"Answer {n}.") for n in range(1, 13)])
    assert "Answer 5." in page(browser, dataset)
    assert "Answer 6." not in page(browser, dataset)
    later = page(browser, dataset, row=5)
    assert "Answer 6." in later
    assert "row=10#rows" in later
    assert "row=0#rows" in later
    for nonsense in ("x", "-1", "9" * 40, "²"):
        assert "Answer 1." in page(browser, dataset, row=nonsense)


def test_every_format_is_previewed_as_it_is_learned(browser: Client, bring: Bring) -> None:
    preference = page(browser, bring(OPENAI_PREFERENCE))
    assert preference.index("Preferred") < preference.index("Headwater.") < preference.index("Rejected")
    assert "math: 4" in page(browser, bring(PROMPT))


def test_strangers_and_other_people_see_nothing(bring: Bring) -> None:
    dataset = bring(CHAT)
    addresses = [reverse("datasets"), reverse("dataset", args=[dataset.pk])]
    posts = [
        reverse(name, args=[dataset.pk]) for name in ("leave-out-rows", "measure-dataset", "delete-dataset")
    ]
    stranger, member, other = Client(), Client(), Client()
    member.force_login(User.objects.create_user("mia"))
    other.force_login(User.objects.create_user("bob", is_staff=True))
    for address in addresses:
        assert stranger.get(address).status_code == 302
        assert member.get(address).status_code == 403
    for address in posts:
        assert stranger.post(address).status_code == 302
        assert member.post(address).status_code == 403
        assert other.post(address).status_code == 404
    assert other.get(addresses[1]).status_code == 404
    assert "greetings" not in other.get(addresses[0]).content.decode()
    assert dataset.path.exists()


def test_forms_need_their_token(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post(reverse("datasets"), {"file": io.BytesIO(jsonl(CHAT))}).status_code == 403


def test_a_data_set_can_be_deleted(browser: Client, bring: Bring) -> None:
    dataset = bring(CHAT)
    browser.post(reverse("delete-dataset", args=[dataset.pk]))
    assert not dataset.path.exists()
    assert "greetings.jsonl was deleted" in browser.get(reverse("datasets")).content.decode()


def test_a_data_set_is_counted_in_the_tokens_of_any_checkpoint(
    browser: Client, bring: Bring, instruct: Checkpoint
) -> None:
    dataset = bring(*[chat(f"Question {n}?", "word " * n) for n in range(1, 60)])
    shown = page(browser, dataset)
    assert f"tokens of {instruct.name}" in shown
    assert "questions of arithmetic" in shown
    assert "What training on it takes" in shown
    think = Checkpoint.objects.get(stage="think-sft", final=True)
    browser.post(reverse("measure-dataset", args=[dataset.pk]), {"checkpoint": think.name})
    assert f"being counted in the tokens of {think.name}" in page(browser, dataset)
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    assert list(dataset.report["measures"]) == [instruct.name, think.name]
    assert f"tokens of {think.name}" in page(browser, dataset)
    assert browser.post(reverse("measure-dataset", args=[dataset.pk]), {"checkpoint": "x"}).status_code == 404
    assert json.dumps(dataset.report)


def test_lengths_are_binned_and_cut_as_counted_by_hand() -> None:
    import numpy as np

    lengths = np.array([1, 2, 3, 4, 7, 8, 100])
    assert histogram(lengths) == [
        [1, 1, 1],
        [2, 3, 2],
        [4, 7, 2],
        [8, 15, 1],
        [16, 31, 0],
        [32, 63, 0],
        [64, 127, 1],
    ]
    cut = truncation(lengths, 7)
    assert (cut.documents, cut.tokens) == (2, 94)

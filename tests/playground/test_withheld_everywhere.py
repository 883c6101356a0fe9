"""One takedown hides a document from everything that showed it, at once, whichever process does it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Scope, User
from accounts.owners import Owner
from accounts.services import create_key
from playground.models import Message, Role, Thread
from tests.flows import document_text, share_database
from tracing.kept import keep_trace
from tracing.models import Store
from tracing.sharing import share_trace
from training.lineage import lineage_stores
from training.models import Checkpoint, Flow
from training.traces import trace_answer

pytestmark = pytest.mark.django_db(transaction=True)
Json = dict[str, Any]


@pytest.fixture
def instruct(transactional_db: None, trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="instruct-sft", final=True)


class Surfaces:
    """Everything that shows the documents of one answer; each says which numbers of the store it shows."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.client = checkpoint, Client()
        self.text, self.ids = document_text(checkpoint, "pretrain")
        self.store: Store = lineage_stores(checkpoint)[0]
        ada = User.objects.create_user("ada", password="a long password")
        self.client.force_login(ada)
        _, secret = create_key(user=ada, name="k", scopes=[Scope.TRACE])
        self.key = {"Authorization": f"Bearer {secret}"}
        thread = Thread.objects.create(owner=ada, title="Chat")
        asked = Message.objects.create(thread=thread, position=0, role=Role.USER, raw_text="What is it?")
        trace = trace_answer(checkpoint, self.ids)
        self.answer = Message.objects.create(
            thread=thread, parent=asked, position=1, role=Role.ASSISTANT, raw_text=self.text,
            token_ids=self.ids, checkpoint=checkpoint, trace=trace,
        )  # fmt: skip
        self.kept = keep_trace(owner=Owner(ada), trace=trace)
        self.share = share_trace(trace=self.kept)

    def shown(self) -> Iterator[tuple[str, set[int]]]:
        for name, found in self.traces():
            places = [document for document in found["documents"] if document["store"] == self.store.name]
            yield name, {document["document"] for document in places}
        for name, html in self.panels():
            address = reverse("document", args=[self.store.name, 10**6]).replace("1000000/", "")
            yield name, {int(part.split("/")[0]) for part in html.split(address)[1:]}

    def traces(self) -> Iterator[tuple[str, Json]]:
        asked = {"model": self.checkpoint.name, "token_ids": self.ids}
        made = self.client.post("/v1/traces", asked, content_type="application/json", headers=self.key)
        yield "POST /v1/traces", made.json()
        kept = self.client.get(f"/v1/traces/{self.kept.public_id}", headers=self.key)
        yield "GET /v1/traces/ID", kept.json()
        for where in (["--model", self.checkpoint.name], ["--index", str(self.store.path)]):
            yield f"manage.py trace {where[0]}", self.command(*where)

    def command(self, *where: str) -> Json:
        ids, output = settings.HOME / "ids.json", StringIO()
        ids.write_text(json.dumps(self.ids))
        call_command("trace", *where, "--ids", str(ids), "--json", stdout=output)
        return dict(json.loads(output.getvalue()))

    def panels(self) -> Iterator[tuple[str, str]]:
        span = self.kept.content["spans"][0]
        places = {"answer-trace-spans": self.answer.pk, "text-trace-spans": self.kept.pk}
        for name, key in {**places, "shared-trace-spans": self.share.token}.items():
            response = self.client.get(reverse(name, args=[key, span["start"], span["end"]]))
            assert response.status_code == 200, name
            yield name, response.text


def by_another_process(*arguments: str) -> None:
    share_database()
    done = subprocess.run(
        [sys.executable, "manage.py", "withhold", *arguments],
        cwd=settings.BASE_DIR, env={**os.environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_everything_hides_what_another_process_took_down_and_shows_it_again(instruct: Checkpoint) -> None:
    surfaces = Surfaces(instruct)
    before = dict(surfaces.shown())
    assert len(before) == 7
    assert all(0 in numbers for numbers in before.values()), before
    by_another_process(surfaces.store.name, "0", "--note", "asked for")
    after = dict(surfaces.shown())
    assert not [name for name, numbers in after.items() if 0 in numbers]
    for name, found in surfaces.traces():
        assert {"reason": "taken down", "documents": 1} in found["withheld"], name
    for name, html in surfaces.panels():
        assert "taken down" in html, name
    assert surfaces.client.get(reverse("document", args=[surfaces.store.name, 0])).status_code == 451
    assert "withheld: taken down" in surfaces.client.get(reverse("store", args=[surfaces.store.name])).text
    by_another_process(surfaces.store.name, "0", "--lift")
    again = dict(surfaces.shown())
    assert {name: 0 in numbers for name, numbers in again.items()} == dict.fromkeys(before, True)
    assert surfaces.client.get(reverse("document", args=[surfaces.store.name, 0])).status_code == 200


def test_v1_filters_documents(instruct: Checkpoint) -> None:
    surfaces = Surfaces(instruct)
    asked = {"model": instruct.name, "token_ids": surfaces.ids}

    def ask(**more: Any) -> Any:
        return surfaces.client.post(
            "/v1/traces", asked | more, content_type="application/json", headers=surfaces.key
        )

    documents = ask().json()["documents"]
    corpus, licence = documents[0]["corpus"], documents[0]["licence"]
    for field, value in {"corpora": corpus, "licences": licence, "sources": documents[0]["source"]}.items():
        name = {"corpora": "corpus", "licences": "licence", "sources": "source"}[field]
        found = ask(**{field: [value]}).json()["documents"]
        assert found
        assert {document[name] for document in found} == {value}
        assert ask(**{field: ["nothing is so"]}).json()["documents"] == []
    assert {d["relevance"] for d in ask(relevance="high").json()["documents"]} <= {"high"}
    for wrong in ({"corpora": "a"}, {"licences": [""]}, {"sources": ["x"] * 65}, {"relevance": "best"}):
        assert ask(**wrong).status_code == 400, wrong

"""/search/, /api/search/ and `manage.py search_corpus`: one search over a model's data, or all."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import Actor
from accounts.models import Scope, User
from accounts.services import create_key
from tests.sites import free_port
from tests.tracing.support.search import SearchHome
from tracing.models import Store
from tracing.withholding.acts import take_down
from training.models import Checkpoint, TrainedOn

ATTACK = '<script>alert(1)</script> fish " onfocus=x'


@pytest.fixture
def searched(search_home: SearchHome) -> SearchHome:
    """Two stores; the model `base` learnt from the first, its child `chat` from both."""
    first = search_home.add_store("first", ["red fish " + ATTACK, "blue fish", "pond"], stage="pretrain")
    second = search_home.add_store("second", ["fish again"], stage="instruct-sft", licence="MIT")
    search_home.load()
    base, chat = checkpoint("base", first), checkpoint("chat", second)
    chat.parents.add(base)
    return search_home


def checkpoint(name: str, store: Store) -> Checkpoint:
    sizes = {"stage": store.stage, "step": 1, "steps": 1, "final": True}
    made = Checkpoint.objects.create(name=name, digest=name, tokenizer="x", chat="plain", **sizes)
    TrainedOn.objects.create(checkpoint=made, store=store, seed=0)
    return made


def page(client: Client, address: str, **headers: str) -> tuple[int, str]:
    response = client.get(f"/search/{address}", headers=headers)
    return response.status_code, response.content.decode()


def titles(html: str) -> list[str]:
    return sorted(re.findall(r'<h2><a href="[^"]*">([^<]*)</a>', html))


def test_the_page_shows_what_was_found_escaped_and_marked(searched: SearchHome, client: Client) -> None:
    status, html = page(client, "?q=red+fish")
    assert status == 200
    assert "<mark>red</mark> <mark>fish</mark>" in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert titles(html) == ["first-0"]
    assert 'aria-current="page">Search</a>' in html


def test_a_result_leads_to_its_words_in_the_document(searched: SearchHome, client: Client) -> None:
    _, html = page(client, "?q=again")
    [address] = re.findall(r'<h2><a href="([^"#]*)#part-1">', html)
    document = client.get(address.replace("&amp;", "&")).content.decode()
    assert re.search(r'<mark id="part-1">\s?again</mark>', document)


def test_a_query_comes_back_escaped_in_its_box(searched: SearchHome, client: Client) -> None:
    _, html = page(client, "?q=" + ATTACK.replace(" ", "+"))
    assert "<script>alert" not in html
    assert 'value="&lt;script&gt;alert(1)&lt;/script&gt; fish &quot; onfocus=x"' in html


def test_chips_count_and_narrow_the_search(searched: SearchHome, client: Client) -> None:
    _, html = page(client, "?q=fish")
    assert titles(html) == ["first-0", "first-1", "second-0"]
    assert re.search(r'href="/search/\?q=fish&amp;stage=instruct-sft"[^>]*>instruct-sft <span[^>]*>1<', html)
    _, html = page(client, "?q=fish&stage=instruct-sft&licence=MIT")
    assert titles(html) == ["second-0"]
    assert '<input type="hidden" name="stage" value="instruct-sft" form="search-form">' in html
    assert re.search(r'href="/search/\?q=fish&amp;licence=MIT"[^>]*aria-current="true">instruct-sft', html)


def test_a_model_s_data_are_those_of_its_whole_lineage(searched: SearchHome, client: Client) -> None:
    assert titles(page(client, "?q=fish&model=chat")[1]) == ["first-0", "first-1", "second-0"]
    assert titles(page(client, "?q=fish&model=base")[1]) == ["first-0", "first-1"]
    status, html = page(client, "?q=fish&model=nobody")
    assert status == 422
    assert "There is no model &#x27;nobody&#x27; here" in html


def test_the_first_page_says_how_to_search(searched: SearchHome, client: Client) -> None:
    status, html = page(client, "")
    assert status == 200
    assert "4 passages to search" in html
    assert "finds the words side by side" in html
    assert titles(html) == []


def test_htmx_gets_the_results_alone_and_a_clean_address(searched: SearchHome, client: Client) -> None:
    asked = "?q=fish&match=&sort=date&source=&since=&until=&page="
    response = client.get(f"/search/{asked}", headers={"HX-Request": "true"})
    assert response["HX-Push-Url"] == "/search/?q=fish&sort=date"
    assert "HX-Request" in response["Vary"]
    html = response.content.decode()
    assert html.lstrip().startswith('<div id="results"')
    assert titles(html) == titles(page(client, asked)[1])
    whole = client.get(
        f"/search/{asked}", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}
    )
    assert "<html" in whole.content.decode()


HOSTILE = [
    "?q=" + "w+" * 10_000,
    "?q=***",
    "?q=%22",
    "?q=%00",
    "?q=%ff%fe",
    "?q=fish&page=0",
    "?q=fish&page=99999999999999999999",
    "?q=fish&page=-1",
    "?q=fish&page=%D9%A1",
    "?q=fish&limit=1e3",
    "?q=fish&sort=score;drop",
    "?q=fish&since=NaN",
    "?q=fish&until=9999-99-99",
    "?q=fish&store=nowhere",
    "?q=fish&source=" + "x" * 300,
    "?q=fish" + "".join(f"&stage=s{k}" for k in range(60)),
]


@pytest.mark.parametrize("address", HOSTILE, ids=lambda address: address[:30])
def test_a_hostile_search_is_refused_with_its_reason(
    searched: SearchHome, client: Client, address: str
) -> None:
    status, html = page(client, address)
    assert status == 422
    assert 'class="search-error warn" role="alert">' in html
    assert "Traceback" not in html
    response = client.get("/api/search/" + address, headers=authorised())
    assert response.status_code == 400
    assert len(response.json()["error"]["message"]) > 10


def authorised(*scopes: str) -> dict[str, str]:
    user, _ = User.objects.get_or_create(username="program")
    _, secret = create_key(user=user, name="tests", scopes=list(scopes or [Scope.TRACE]))
    return {"Authorization": f"Bearer {secret}"}


def test_programs_get_the_same_in_json(searched: SearchHome, client: Client) -> None:
    address = "/api/search/?q=fish&stage=pretrain&limit=1&model=chat"
    answer = client.get(address, headers=authorised()).json()
    assert (answer["object"], answer["query"], answer["model"]) == ("search", "fish", "chat")
    assert (answer["total"], answer["page"], answer["limit"], answer["has_more"]) == (2, 1, 1, True)
    assert answer["counts"]["stage"] == {"pretrain": 2, "instruct-sft": 1}
    assert (answer["withheld"], answer["loading"]) == ([], {"documents": 4, "of": 4})
    [result] = answer["results"]
    start, end = result["matches"][0]
    assert result["text"][start:end] == "fish"
    assert result["link"].startswith(reverse("document", args=("first", result["document"])))


def test_programs_need_a_key_with_the_scope(searched: SearchHome, client: Client) -> None:
    assert client.get("/api/search/?q=fish").status_code == 401
    assert client.get("/api/search/?q=fish", headers=authorised(Scope.CHAT)).status_code == 403
    assert client.post("/api/search/?q=fish", headers=authorised()).status_code == 405
    client.force_login(User.objects.create(username="person"))
    assert client.get("/api/search/?q=fish").status_code == 200


def test_withheld_documents_are_counted_and_not_shown(searched: SearchHome, client: Client) -> None:
    store = Store.objects.get(name="first")
    take_down(store=store, documents=[0, 1], note="", by=Actor(name="tests"))
    _, html = page(client, "?q=fish")
    assert titles(html) == ["second-0"]
    assert "2 results are withheld (taken down)" in html
    answer = client.get("/api/search/?q=fish", headers=authorised()).json()
    assert [result["store"] for result in answer["results"]] == ["second"]
    assert answer["withheld"] == [{"reason": "taken down", "results": 2}]
    assert "red" not in json.dumps(answer["results"])


def test_the_page_stays_up_while_elasticsearch_is_away(settings: Settings, db: None, client: Client) -> None:
    settings.ELASTICSEARCH_URL = f"http://name:secret@127.0.0.1:{free_port()}"
    status, html = page(client, "?q=fish")
    assert status == 503
    assert "does not answer" in html
    assert "secret" not in html
    assert 'value="fish"' in html
    assert page(client, "?q=fish", **{"HX-Request": "true"})[0] == 422
    assert client.get("/api/search/?q=fish", headers=authorised()).status_code == 503
    with pytest.raises(CommandError, match="does not answer"):
        run("fish")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("search_corpus", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_prints_what_the_page_shows(searched: SearchHome) -> None:
    printed = run("again")
    assert "second-0" in printed
    assert "instruct-sft · second · MIT · second 0" in printed
    assert printed.endswith("1 passage\n")
    answer = json.loads(run("fish", "--model", "base", "--json", "--limit", "5"))
    assert sorted(result["document"] for result in answer["results"]) == [0, 1]
    assert json.loads(run("fish", "--store", "second", "--stage", "instruct-sft", "--json"))["total"] == 1
    assert json.loads(run("", "--licence", "MIT", "CC0-1.0", "--json"))["total"] == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["***"], "no word"),
        (["fish", "--model", "nobody"], "no model 'nobody'"),
        (["fish", "--store", "nowhere"], "no store 'nowhere'"),
        (["fish", "--limit", "0"], "limit is 0"),
        (["fish", "--since", "soon"], "is no date"),
        (["\udcff fish"], "surrogate"),
    ],
)
def test_the_command_says_what_is_wrong(searched: SearchHome, arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run(*arguments)


def test_load_search_tells_how_it_goes(searched: SearchHome) -> None:
    searched.add_store("third", ["fish"] * 3)
    out, err = StringIO(), StringIO()
    call_command("load_search", "third", stdout=out, stderr=err)
    assert "third: 3 of 3 documents" in err.getvalue()
    call_command("load_search", "--rebuild", stdout=out, stderr=err)
    assert err.getvalue().count("of 3 documents") == 3
    assert searched.search("fish").total == 6
    with pytest.raises(CommandError, match="leave the names out"):
        call_command("load_search", "third", "--rebuild")
    with pytest.raises(CommandError, match="No store 'nowhere' is registered"):
        call_command("load_search", "nowhere")
    (searched.path / "stores" / "third" / "offset.0").unlink()
    searched.add_store("fourth", ["fish"])
    (searched.path / "stores" / "fourth" / "offset.0").unlink()
    with pytest.raises(CommandError, match="1 store could not be loaded"):
        call_command("load_search", stdout=out, stderr=err)

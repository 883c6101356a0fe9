"""The pages of evaluations: scores along the flow, badges, and the way to the documents."""

from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from tracing.services import open_store
from training.lineage import lineage_stores
from training.models import Checkpoint, Evaluation, Flow
from training.score_charts import Curve, score_chart
from training.standings import flow_standings

pytestmark = pytest.mark.django_db
SPACE = "{http://www.w3.org/2000/svg}"


def add(checkpoint: Checkpoint, greedy: float, *, task: str = "arithmetic", exact: int = 0) -> Evaluation:
    store = lineage_stores(checkpoint)[0]
    finding = {"line": 3, "question": "What is <b>12</b> + 15?", "exact": True, "overlap": 1.0}
    finding |= {"store": store.name, "document": 0, "stage": store.stage}
    finding |= {"token_ids": open_store(store).token_ids(0)[:4].tolist()}
    return Evaluation.objects.create(
        checkpoint=checkpoint,
        task=task,
        digest=f"sha256:{task.encode().hex():0<64}",
        settings={"samples": 2, "temperature": 1.0, "seed": 1, "longest": 72, "limit": None},
        items=300,
        scores={"greedy": greedy, "greedy_error": 0.02, "sampled": 0.5, "sampled_error": 0.03,
                "pass@1": 0.5, "pass@1_error": 0.03, "pass@2": 0.6, "pass@2_error": 0.03,
                "mean_tokens": 31.5, "well_formed": 1.0},
        contamination={"items": 300, "found": exact, "exact": exact, "partly_listed": False,
                       "exact_by_stage": {store.stage: exact} if exact else {},
                       "found_by_stage": {store.stage: exact} if exact else {},
                       "findings": [finding] if exact else []},
        seconds=12.5,
    )  # fmt: skip


@pytest.fixture
def evaluated(trained_flow: Flow) -> Flow:
    for checkpoint in Checkpoint.objects.filter(final=True).order_by("-job__position"):
        add(checkpoint, 0.1)
        add(checkpoint, 0.8, exact=12 if checkpoint.stage == "instruct-sft" else 0)
    return trained_flow


def page(client: Client, **query: str) -> str:
    answer = client.get(reverse("evaluations"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_newest_evaluation_of_each_checkpoint_stands_in_the_flows_order(
    client: Client, evaluated: Flow
) -> None:
    text = page(client)
    places = [
        text.index(f">tiny-{stage}<") for stage in ("pretrain", "midtrain", "think-sft", "instruct-sft")
    ]
    assert places == sorted(places)
    assert "80.0 %" in text
    assert "10.0 %" not in text
    assert "± 2.0" in text
    assert "pass@2" in text
    assert "<svg" in text


def test_the_badge_says_how_many_questions_occur_and_leads_to_their_documents(
    client: Client, evaluated: Flow
) -> None:
    text = page(client)
    assert text.count("0 of 300 occur") == 3
    assert "12 of 300 (4 %) occur word for word" in text
    evaluation = Evaluation.objects.filter(checkpoint__stage="instruct-sft").first()
    assert evaluation is not None
    detail = client.get(reverse("evaluation", args=[evaluation.pk])).content.decode()
    assert "What is &lt;b&gt;12&lt;/b&gt; + 15?" in detail
    finding = evaluation.contamination["findings"][0]
    link = reverse("document", args=[finding["store"], finding["document"]])
    highlight = ",".join(map(str, finding["token_ids"]))
    assert f'href="{link}?highlight={highlight}"' in detail
    document = client.get(f"{link}?highlight={highlight}")
    assert "<mark" in document.content.decode()


def test_a_task_can_be_chosen(client: Client, evaluated: Flow) -> None:
    final = Checkpoint.objects.get(stage="midtrain", final=True)
    add(final, 0.25, task="questions")
    standings = flow_standings(evaluated)
    assert standings.chosen is not None
    assert standings.chosen.name == "questions"
    key = next(task.key for task in standings.tasks if task.name == "arithmetic")
    text = page(client, flow="tiny", task=key)
    assert "tiny-pretrain" in text
    assert "25.0 %" not in text
    assert "25.0 %" in page(client, flow="tiny", task="no such task")


def test_before_anything_was_evaluated_the_page_says_how_to(client: Client, trained_flow: Flow) -> None:
    assert "manage.py evaluate --flow tiny" in page(client)


def test_what_is_not_there_is_not_found(client: Client, evaluated: Flow) -> None:
    assert client.get(reverse("evaluations"), {"flow": "nobody"}).status_code == 404
    assert client.get(reverse("evaluation", args=[10**9])).status_code == 404


def test_without_a_flow_there_is_a_page_all_the_same(client: Client) -> None:
    assert "No model is being trained" in page(client)


def test_the_flows_page_leads_here(client: Client, evaluated: Flow) -> None:
    assert f'{reverse("evaluations")}?flow=tiny"' in client.get(reverse("flow")).content.decode()


def test_the_page_costs_a_fixed_number_of_queries(
    evaluated: Flow, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    with django_assert_max_num_queries(1):  # type: ignore[operator]
        flow_standings(evaluated)


def test_the_chart_has_bars_no_style_or_script_and_says_what_it_shows() -> None:
    curves = [
        Curve("greedy", [(0.5, 0.1), None, (0.95, 0.1)]),
        Curve("sampled", [None, (0.2, 0.0), (0.4, 0.2)]),
    ]
    svg = score_chart(["pretrain", "midtrain", "<think>"], curves)
    for word in ("<style", "style=", "<script", "onmouse"):
        assert word not in svg
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.findtext(f"{SPACE}desc") == (
        "pretrain: greedy 50%; midtrain: sampled 20%; <think>: greedy 95%, sampled 40%"
    )
    assert len([g for g in root.iter(f"{SPACE}g") if g.get("class") == "ci"]) == 4
    assert {"pretrain", "<think>", "100 %", "0 %"} <= {text.text for text in root.iter(f"{SPACE}text")}


def test_nothing_measured_is_no_chart() -> None:
    assert score_chart([], []) == ""
    assert score_chart(["pretrain"], [Curve("greedy", [None])]) == ""

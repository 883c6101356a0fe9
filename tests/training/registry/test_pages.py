"""The pages of the registry: lists, one checkpoint, two compared, the graph."""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from tests.training.registry.shelf import put_checkpoint, put_job, put_store
from training.checkpoint_pages.card import card_of
from training.checkpoint_pages.comparing import compare_checkpoints
from training.checkpoint_pages.listing import list_checkpoints
from training.lineage_pages.drawing import family_of, whole_graph
from training.models import Checkpoint, Evaluation


@pytest.fixture
def flow() -> dict[str, Checkpoint]:
    """pretrain, with two checkpoints before its last, goes on as think-sft and instruct-sft; an average of
    these and an imported one."""
    made: dict[str, Checkpoint] = {}
    store = put_store("a", [[1, 2, 3], [4, 5]])
    other = put_store("b", [[6, 7, 8, 9]])
    pretrain = put_job("demo", "pretrain")
    for step in (10, 20, 30):
        name = "demo-pretrain" + (f"-step{step}" if step < 30 else "")
        cost = {"cpu_s": 2.0 * step, "wall_s": 1.0 * step, "tokens": 100.0 * step}
        made[name] = put_checkpoint(
            name, stage="pretrain", step=step, steps=30, job=pretrain, stores=[store], chat="plain",
            scores={"greedy": step / 100, "sampled": step / 200}, cost=cost, lineage_cost=cost,
        )  # fmt: skip
    for place, (stage, start) in enumerate(
        [("think-sft", "demo-pretrain"), ("instruct-sft", "demo-pretrain-step20")], 1
    ):
        made[stage] = put_checkpoint(
            f"demo-{stage}", stage=stage, job=put_job("demo", stage, place), parents=[start],
            stores=[other], thinking=stage == "think-sft", scores={"greedy": 0.5 + place / 10},
            recipe={"learning_rate": place / 1000},
        )  # fmt: skip
    made["mean"] = put_checkpoint("mean", stage="average", parents=["demo-think-sft", "demo-instruct-sft"])
    made["guest"] = put_checkpoint("guest", stage="imported", chat="plain")
    return made


def evaluate(checkpoint: Checkpoint, greedy: float, error: float) -> Evaluation:
    return Evaluation.objects.create(
        checkpoint=checkpoint, task="arithmetic", digest="sha256:t", items=300, seconds=1,
        scores={"greedy": greedy, "greedy_error": error},
    )  # fmt: skip


def names(rows: Sequence[Any]) -> list[str]:
    return [row.checkpoint.name for row in rows]


def test_the_list_folds_intermediate_checkpoints_under_their_stage(flow: dict[str, Checkpoint]) -> None:
    listing = list_checkpoints()
    [demo, elsewhere] = listing.flows
    assert [stage.name for stage in demo.stages] == ["pretrain", "think-sft", "instruct-sft"]
    assert demo.stages[0].head.checkpoint.name == "demo-pretrain"
    assert names(demo.stages[0].earlier) == ["demo-pretrain-step20", "demo-pretrain-step10"]
    assert demo.stages[0].curve is not None
    assert "10 %, 20 %, 30 %" in demo.stages[0].curve.words
    assert {stage.head.origin for stage in elsewhere.stages} == {"average of 2", "imported"}


PRETRAINED = ["demo-pretrain", "demo-pretrain-step20", "demo-pretrain-step10"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"words": "SFT demo", "sort": "name"}, ["demo-instruct-sft", "demo-think-sft"]),
        ({"words": "nothing"}, []),
        ({"sort": "greedy", "words": "sft"}, ["demo-instruct-sft", "demo-think-sft"]),
        ({"sort": "cost", "words": "pretrain"}, PRETRAINED),
        ({"sort": "new", "flow": "demo", "words": "pretrain"}, PRETRAINED),
    ],
)
def test_the_list_is_searched_and_sorted(
    flow: dict[str, Checkpoint], asked: dict[str, str], expected: list[str]
) -> None:
    assert names(list_checkpoints(**asked).rows) == expected


def test_a_checkpoint_knows_what_its_manifest_says(flow: dict[str, Checkpoint]) -> None:
    row = flow["think-sft"]
    assert row.code_commit == "c0ffee" * 6
    assert row.config["learning_rate"] == 0.001
    card = card_of(row)
    assert dict(card.settings)["learning_rate"] == "0.001"
    assert [(r.store.name, r.seed) for r in card.own] == [("b", 5)]
    assert [r.store.name for r in card.inherited] == ["a"]


def test_cost_adds_up_along_the_lineage_each_run_once(flow: dict[str, Checkpoint]) -> None:
    cost = {name: (own, whole) for name, own, whole in card_of(flow["mean"]).cost}
    assert cost["CPU time"] == ("–", "1 min 0 s")
    assert cost["Tokens trained on"] == ("–", "3k")


def test_every_page_opens_for_everyone_who_may_read(
    client: Client, flow: dict[str, Checkpoint], settings: Any
) -> None:
    settings.ANONYMOUS_CHAT = True
    addresses = [reverse("checkpoints"), reverse("lineage"), reverse("compare-checkpoints")]
    addresses += [reverse("checkpoint", args=[row.name]) for row in flow.values()]
    addresses += [
        "/lineage/?flow=demo",
        "/checkpoints/?sort=greedy",
        "/checkpoints/?q=%00&sort=odd&flow=none",
    ]
    addresses += ["/checkpoints/compare/?a=demo-pretrain&b=mean", "/flow/?flow=demo&stage=pretrain"]
    for address in addresses:
        assert client.get(address, follow=True).status_code == 200, address
    for address in [
        "/checkpoints/none/",
        "/lineage/?flow=none",
        "/flow/?flow=none",
        "/checkpoints/compare/?a=none&b=mean",
    ]:
        assert client.get(address, follow=True).status_code in {200, 404}, address


def test_from_its_page_a_model_is_one_step_from_chat_and_from_a_new_branch(
    admin_client: Client, flow: dict[str, Checkpoint]
) -> None:
    page = admin_client.get("/checkpoints/demo-pretrain-step20/").content.decode()
    assert 'href="/?model=demo-pretrain-step20"' in page
    assert 'href="/jobs/new/?parent=demo-pretrain-step20"' in page
    chat = admin_client.get("/?model=demo-pretrain-step20").content.decode()
    assert re.search(r'<option value="demo-pretrain-step20"[^>]* selected', chat)


def test_odd_names_and_settings_are_escaped(admin_client: Client) -> None:
    put_checkpoint("c", stage="<script>alert(1)</script>")
    for address in ("/checkpoints/", "/checkpoints/c/", "/lineage/", "/checkpoints/compare/?a=c&b=c"):
        assert "<script>alert" not in admin_client.get(address).content.decode(), address


def test_a_comparison_leads_with_what_differs(flow: dict[str, Checkpoint]) -> None:
    found = compare_checkpoints(flow["think-sft"], flow["instruct-sft"])
    different = {setting.name: (setting.left, setting.right) for setting in found.different}
    assert different["learning_rate"] == ("0.001", "0.002")
    assert different["parents"] == ("demo-pretrain", "demo-pretrain-step20")
    assert "batch_size" in {setting.name for setting in found.same}
    assert "batch_size" not in different


def test_a_comparison_says_whose_data_is_whose(flow: dict[str, Checkpoint]) -> None:
    found = compare_checkpoints(flow["demo-pretrain"], flow["think-sft"])
    rows = {row.store: (row.left, row.right) for row in found.data}
    assert rows == {"b": (None, 44), "a": (100, 56)}
    assert found.data[0].store == "b"


@pytest.mark.parametrize(
    ("left", "right", "error", "verdict"),
    [
        (0.50, 0.60, 0.03, "beyond two standard errors"),
        (0.50, 0.55, 0.03, "beyond one standard error"),
        (0.60, 0.58, 0.03, "within the standard error"),
        (0.60, 0.60, 0.03, "no difference"),
        (1.00, 0.99, 0.00, "beyond two standard errors"),
    ],
)
def test_a_difference_is_held_against_its_standard_error(
    flow: dict[str, Checkpoint], left: float, right: float, error: float, verdict: str
) -> None:
    evaluate(flow["think-sft"], left, error)
    evaluate(flow["instruct-sft"], right, error)
    [pair] = compare_checkpoints(flow["think-sft"], flow["instruct-sft"]).scores
    assert pair.verdict == verdict
    assert pair.difference == f"{100 * (right - left):+.1f} points"
    assert pair.error == f"{100 * 2**0.5 * error:.1f}"


def test_the_graph_has_a_node_a_stage_and_a_line_a_parent(flow: dict[str, Checkpoint]) -> None:
    graph = whole_graph()
    assert graph.checkpoints == len(flow)
    nodes = {node.station.head.name: node.station for node in graph.nodes}
    assert nodes.keys() == {"demo-pretrain", "demo-think-sft", "demo-instruct-sft", "mean", "guest"}
    assert [dot.step for dot in nodes["demo-pretrain"].dots] == [10, 20]
    assert nodes["demo-instruct-sft"].note == "from step 20"
    assert nodes["mean"].origin == "average of 2"
    assert len(graph.edges) == 4
    assert sum(edge.is_extra for edge in graph.edges) == 1


def test_a_familys_graph_leaves_strangers_out(flow: dict[str, Checkpoint]) -> None:
    family = {node.station.head.name: node.station.is_current for node in family_of(flow["think-sft"]).nodes}
    assert family == {"demo-pretrain": False, "demo-think-sft": True, "mean": False}


def test_two_hundred_checkpoints_stay_a_graph_that_fits(flow: dict[str, Checkpoint]) -> None:
    job = put_job("long", "midtrain", 1)
    parent = flow["demo-pretrain"]
    for step in range(1, 201):
        row = Checkpoint.objects.create(
            name=f"long-{step}",
            stage="midtrain",
            step=step,
            steps=200,
            job=job,
            final=step == 200,
            chat="plain",
        )
        row.parents.add(parent)
    graph = whole_graph("long")
    assert len(graph.nodes) == 2
    [node] = [node for node in graph.nodes if node.station.head.name == "long-200"]
    assert len(node.station.dots) + node.station.more == 199
    assert len(node.station.dots) <= 5


def test_the_graph_is_links_that_a_keyboard_reaches(
    admin_client: Client, flow: dict[str, Checkpoint]
) -> None:
    page = admin_client.get("/lineage/").content.decode()
    for drawing in re.findall(r"<svg class=\"lineage .*?</svg>", page, flags=re.S):
        links = [e for e in ElementTree.fromstring(drawing).iter() if e.tag == "a"]
        targets = {link.get("href") for link in links}
        assert {f"/checkpoints/{node.station.head.name}/" for node in whole_graph().nodes} <= targets
        assert all(link.get("aria-label") for link in links)
    assert "style=" not in page

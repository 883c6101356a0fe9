"""Scores by length: on the pages, in the report, and in the page that is written for docs."""

import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from training.by_length.charts import length_charts
from training.by_length.pages import length_lines, length_picture
from training.by_length.scores import LengthScore, length_scores, read_scores
from training.flow_page import write_flow_page
from training.models import Checkpoint, Flow

SCORES = {
    "greedy": 0.9,
    "needle@1024": 0.4,
    "needle@128": 0.5,
    "copy@128": 0.9,
    "loss@128": 1.5,
    "loss@1024": 1.25,
}
METRICS = {"needle@1024_before": 0.02, "loss@128_before": 2.25, "greedy_before": 0.8}


@pytest.fixture
def measured(trained_flow: Flow) -> Checkpoint:
    """A checkpoint of the flow as the stage long-context leaves one."""
    checkpoint = Checkpoint.objects.get(job__flow=trained_flow, stage="midtrain", final=True)
    checkpoint.scores, checkpoint.metrics = SCORES, METRICS
    checkpoint.save()
    return checkpoint


def test_scores_are_read_kind_by_kind_and_length_by_length() -> None:
    assert read_scores(SCORES, METRICS) == [
        LengthScore("needle", 128, None, 0.5),
        LengthScore("needle", 1024, 0.02, 0.4),
        LengthScore("copy", 128, None, 0.9),
        LengthScore("loss", 128, 2.25, 1.5),
        LengthScore("loss", 1024, None, 1.25),
    ]


def test_other_scores_are_not_taken_for_some_by_length() -> None:
    assert read_scores({"pass@4": 0.5, "needle@": 1.0, "needle@x": 1.0, "loss@64": "high"}, {}) == []


def test_a_kind_is_drawn_from_two_lengths_on_and_says_the_longest() -> None:
    charts = length_charts(read_scores(SCORES, METRICS))
    assert [chart.plot.metric for chart in charts] == ["needle", "loss"]
    assert [chart.now for chart in charts] == ["2 % → 40 %", "1.25"]
    for chart in charts:
        assert "<style" not in chart.svg
        assert "<script" not in chart.svg
        assert "style=" not in chart.svg
    svg = ElementTree.fromstring(charts[0].svg)
    assert svg.get("role") == "img"
    assert "128 tokens: 50 %; 1,024 tokens: 2 % → 40 %" in "".join(svg.itertext())


def test_the_table_for_docs_has_a_line_a_length() -> None:
    assert length_lines(read_scores(SCORES, METRICS)) == [
        "| tokens | needle | copy | loss |",
        "| --- | --- | --- | --- |",
        "| 128 | 50 % | 90 % | 2.25 → 1.50 |",
        "| 1,024 | 2 % → 40 % |  | 1.25 |",
    ]


def test_the_picture_for_docs_stands_alone_without_a_script() -> None:
    svg = ElementTree.fromstring(length_picture(read_scores(SCORES, METRICS)))
    assert not [element for element in svg.iter() if str(element.tag).endswith("script")]
    assert {"needle", "needle, before", "copy"} <= set("\n".join(svg.itertext()).split("\n"))


def test_the_report_has_them_where_they_were_measured_and_only_there(measured: Checkpoint) -> None:
    output = StringIO()
    call_command("flow_report", "--json", stdout=output)
    rows = {row["stage"]: row for row in json.loads(output.getvalue())["checkpoints"]}
    assert [stage for stage, row in rows.items() if "by_length" in row] == ["midtrain"]
    assert rows["midtrain"]["by_length"][1] == {
        "score": "needle",
        "tokens": 1024,
        "before": 0.02,
        "after": 0.4,
    }
    output = StringIO()
    call_command("flow_report", stdout=output)
    assert "0.02 -> 0.4" in output.getvalue()


def test_a_flows_page_for_docs_has_their_table_and_picture(measured: Checkpoint, tmp_path: Path) -> None:
    written = write_flow_page(measured.job.flow, tmp_path)
    assert [path.name for path in written] == ["tiny.md", "tiny-midtrain-lengths.svg"]
    page = written[0].read_text()
    assert "| 1,024 | 2 % → 40 % |  | 1.25 |" in page
    assert "](tiny-midtrain-lengths.svg)" in page


@pytest.mark.parametrize("place", ["evaluations", "flow", "checkpoint"])
def test_the_pages_plot_them(client: Client, measured: Checkpoint, place: str) -> None:
    address = {
        "evaluations": reverse("evaluations"),
        "flow": f"{reverse('flow')}?stage=midtrain",
        "checkpoint": reverse("checkpoint", args=[measured.name]),
    }[place]
    page = client.get(address).content.decode()
    assert "Numbers given once between passages" in page
    assert "2 % → 40 %" in page
    assert len(length_scores(measured)) == 5

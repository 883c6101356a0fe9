"""The page of a flow's figures: its table and its curve."""

from math import nan
from pathlib import Path
from xml.etree import ElementTree

from training.flow_page import reward_chart, rollouts_and_rewards, table_lines, write_flow_page
from training.models import Flow
from training.report import Row


def test_a_line_of_the_table_says_each_score_before_and_after() -> None:
    row = Row("think-dpo", 10, "demo-think-dpo", {"greedy": 0.88, "pairs": 0.971}, {"greedy": 0.873}, 40.7)
    assert table_lines([row])[-1] == "| think-dpo | 10 | 87.3 → 88.0 % |  | 97.1 % |  | 0.7 |"


def test_answers_are_counted_as_they_were_asked_for() -> None:
    curve = rollouts_and_rewards([10, 20, 25], [8.0, 12.0, 10.0], [0.5, 0.6, 0.7], 8)
    assert curve == [(640, 0.5), (1600, 0.6), (2000, 0.7)]
    assert rollouts_and_rewards([10, 20], [nan, 8.0], [nan, 0.5], 8) == [(640, 0.5)]


def test_the_chart_is_a_picture_of_its_own_without_a_script() -> None:
    svg = ElementTree.fromstring(reward_chart({"rl-zero": [(640, 0.5), (1600, 0.6)]}))
    assert svg.tag.endswith("svg")
    assert not [element for element in svg.iter() if str(element.tag).endswith("script")]


def test_a_flow_without_rewards_is_a_table_alone(trained_flow: Flow, tmp_path: Path) -> None:
    written = write_flow_page(trained_flow, tmp_path / "docs")
    assert [path.name for path in written] == ["tiny.md"]
    lines = written[0].read_text().splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 2 + trained_flow.jobs.count() - 1

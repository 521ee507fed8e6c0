"""Each shipped rule is seen firing because of a real fault, with labels that lead to what is sick.

Everything was made sick at once; here is waited until Prometheus has seen it. The rules about our
own processes come last, in a file of their own.
"""

import pytest

import cluster_prometheus
from cluster_prometheus import Firing
from expected_alerts import AFTER_FAULTS, FROZEN, STOPPED, Expected
from rules_stage import SHIPPED, RulesStage
from timeline import Timeline, within

SOON = 480.0
"""Generous, because a rate over two minutes needs two minutes, and a node's faults take turns."""


def test_nothing_fires_while_all_is_well_but_that_nobody_can_be_asked(
    scene: RulesStage, timeline: Timeline
) -> None:
    timeline.lines += scene.lines
    assert scene.calm == {"Watchdog", FROZEN}


@pytest.mark.parametrize("expected", AFTER_FAULTS, ids=lambda each: each.name)
def test_it_fires(expected: Expected, scene: RulesStage, timeline: Timeline) -> None:
    found: list[Firing] = []

    def fires() -> bool:
        alert = expected.seen(scene)
        found.extend([alert] if alert is not None else [])
        return bool(found) or not scene.holds()

    timeline.want(within(max(SOON - scene.age, 30)), f"{expected.name} has fired", fires)
    timeline.lines[:] = [f"{found[0].since - scene.began:7.1f} s  {expected.name} fires"]


def test_the_rule_about_frozen_healing_is_silent_once_alertmanager_answers(
    scene: RulesStage, timeline: Timeline
) -> None:
    assert scene.calm == {"Watchdog", FROZEN}

    def silent() -> bool:
        return all(each["alertname"] != FROZEN for each in cluster_prometheus.firing())

    timeline.want(within(90), "it is silent", silent)


def test_the_ill_node_alone_is_told_of(scene: RulesStage, timeline: Timeline) -> None:
    """The machine's own disk is none of a node's business, and the other node is well."""
    timeline.want(within(SOON), "the node has had all its faults", scene.is_ruined)
    for name in ("NodeFilesystemAlmostOutOfSpace", "NodeFilesystemAlmostOutOfFiles"):
        labels = [alert.labels for alert in cluster_prometheus.fired(name, scene.began)]
        assert {(each["node"], each["mountpoint"]) for each in labels} == {(scene.ill, "/")}


def test_no_shipped_rule_is_left_out() -> None:
    stopped = {each.name for each in STOPPED.values()}
    assert {each.name for each in AFTER_FAULTS} | {FROZEN} | stopped == SHIPPED

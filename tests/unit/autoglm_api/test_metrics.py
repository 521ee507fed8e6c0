"""The table of metrics keeps to Prometheus' habits."""

import re

from autoglm_api import metrics
from autoglm_api.metrics import Metric, MetricType

ALL = [value for value in vars(metrics).values() if isinstance(value, Metric)]

SUFFIXES = {MetricType.COUNTER: "_total", MetricType.HISTOGRAM: "_seconds", MetricType.GAUGE: ""}


def test_names_are_distinct_and_end_in_their_unit() -> None:
    assert ALL
    assert len({metric.name for metric in ALL}) == len(ALL)
    for metric in ALL:
        assert re.fullmatch(r"autoglm_[a-z_]+", metric.name)
        assert metric.name.endswith(SUFFIXES[metric.type])


def test_every_metric_says_what_it_counts() -> None:
    assert all(metric.help.endswith(".") for metric in ALL)


def test_no_metric_repeats_a_label() -> None:
    assert all(len(set(metric.labels)) == len(metric.labels) for metric in ALL)

"""Which metrics a PromQL expression names, and which of them are ours.

Exists so that rules and dashboards can be held against what is exposed. It knows no grammar: the
expressions are parsed by promtool elsewhere. Never asks a server.
"""

import re
from typing import Final

from autoglm_api import metrics
from autoglm_api.metrics import Metric, MetricType

FOREIGN: Final = {
    "kube-state-metrics": (
        "kube_deployment_status_replicas_available",
        "kube_horizontalpodautoscaler_info",
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "kube_horizontalpodautoscaler_spec_min_replicas",
        "kube_horizontalpodautoscaler_status_current_replicas",
        "kube_node_info",
        "kube_node_spec_taint",
        "kube_node_status_condition",
        "kube_persistentvolumeclaim_access_mode",
        "kube_pod_container_resource_limits",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_status_waiting_reason",
        "kube_pod_status_phase",
        "kube_pod_status_ready",
    ),
    "node exporter": (
        "node_filesystem_avail_bytes",
        "node_filesystem_files",
        "node_filesystem_files_free",
        "node_filesystem_readonly",
        "node_filesystem_size_bytes",
    ),
    "kubelet": (
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
        "kubelet_volume_stats_inodes",
        "kubelet_volume_stats_inodes_free",
        "kubelet_volume_stats_inodes_used",
        "kubelet_volume_stats_used_bytes",
    ),
    "cAdvisor in the kubelet": ("container_cpu_usage_seconds_total",),
    "HAProxy 3.2": (
        "haproxy_backend_client_aborts_total",
        "haproxy_backend_current_queue",
        "haproxy_backend_redispatch_warnings_total",
        "haproxy_backend_retry_warnings_total",
        "haproxy_backend_server_aborts_total",
        "haproxy_frontend_current_sessions",
        "haproxy_frontend_http_requests_total",
        "haproxy_frontend_http_responses_total",
        "haproxy_frontend_intercepted_requests_total",
        "haproxy_server_connection_errors_total",
        "haproxy_server_current_sessions",
        "haproxy_server_http_responses_total",
        "haproxy_server_queue_time_average_seconds",
        "haproxy_server_response_time_average_seconds",
        "haproxy_server_status",
        "haproxy_server_total_time_average_seconds",
    ),
}
"""Metrics of others by who exposes them. A written list: no test asks the real exporters for it."""

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_BRACES = re.compile(r"\{[^{}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+\w+")
_NAME = re.compile(r"\b([a-z][a-z0-9_]*_[a-z0-9_]+)\b(?!\s*\()")
_WORDS = frozenset({"group_left", "group_right"})


def named(expression: str) -> set[str]:
    """The metrics that an expression names."""
    bare = expression
    for noise in (_TEXT, _BRACES, _RANGE, _LABELS, _OFFSET):
        bare = noise.sub(" ", bare)
    return set(_NAME.findall(bare)) - _WORDS


def ours() -> set[str]:
    """What our own processes expose, as it is called in an expression."""
    table = [each for each in vars(metrics).values() if isinstance(each, Metric)]
    histograms = [each.name for each in table if each.type is MetricType.HISTOGRAM]
    parts = {f"{name}{part}" for name in histograms for part in ("_bucket", "_count", "_sum")}
    return {each.name for each in table if each.type is not MetricType.HISTOGRAM} | parts


def matched(expression: str, metric: str, label: str) -> set[str]:
    """The words that an expression compares a label of one of our metrics with."""
    words: set[str] = set()
    for selector in re.findall(rf"{metric}\{{([^{{}}]*)\}}", expression):
        for text in re.findall(rf'\b{label}\s*(?:=~|!~|!=|=)\s*"([^"]*)"', selector):
            words.update(text.split("|"))
    return words

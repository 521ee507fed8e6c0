"""Makes those parts of the healer that its settings describe: metric queries, notices, records.

Nothing here asks anybody; it only puts things together.
"""

import os
from ipaddress import ip_network
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from autoglm_api.endpointsafety import Network
from autoglm_operator.clients.alertmanager import AlertmanagerClient
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lowlevel import Api, server_of
from autoglm_operator.clients.notices import NoticePoster
from autoglm_operator.clients.prometheus import Prometheus
from autoglm_operator.commands.healing_settings import DeadManMode, HealerSettings
from autoglm_operator.decisions import addresses
from autoglm_operator.decisions.retention import Limits
from autoglm_operator.decisions.surroundings import Budget
from autoglm_operator.reconcilers.alertwatch import AlertWatch, DeadMan
from autoglm_operator.reconcilers.metricwatch import MetricWatch
from autoglm_operator.reconcilers.retention import Retention
from autoglm_operator.runtime.clock import Clock


def alertmanager_of(settings: HealerSettings) -> AlertmanagerClient | None:
    """Who tells what fires and what is silenced; None if no Alertmanager is known."""
    return AlertmanagerClient(settings.alertmanagers) if settings.alertmanager_urls else None


def alert_watch_of(
    settings: HealerSettings,
    alertmanager: AlertmanagerClient | None,
    clock: Clock,
    registry: CollectorRegistry,
) -> AlertWatch:
    """Who listens whether alerting is alive, and asks for alerts before an action."""
    return AlertWatch(
        alertmanager,
        clock,
        registry,
        dead_man=DeadMan(
            required=settings.dead_man_mode is DeadManMode.REQUIRE,
            alert=settings.dead_man_alert,
            timeout=settings.dead_man_timeout,
            poll_seconds=settings.dead_man_poll_seconds,
        ),
        settle=settings.alertmanager_settle,
    )


def budget_of(settings: HealerSettings) -> Budget:
    """How much may go on over the whole cluster."""
    return Budget(
        max_concurrent=settings.budget_max_concurrent,
        max_runs_per_hour=settings.budget_max_runs_per_hour,
        max_node_actions=settings.budget_max_node_actions,
    )


def metric_watch_of(settings: HealerSettings) -> MetricWatch:
    """The admin's catalogue, and the Prometheus that answers it, if there is one."""
    prometheus = None
    if settings.prometheus_url:
        prometheus = Prometheus(
            settings.prometheus_url,
            ca_file=settings.prometheus_ca_file,
            token_file=settings.prometheus_token_file,
        )
    return MetricWatch(
        prometheus, settings.queries_directory, frozenset(settings.trusted_namespaces)
    )


def retention_of(
    settings: HealerSettings,
    kube: KubeClient,
    alertmanager: AlertmanagerClient | None,
    clock: Clock,
) -> Retention:
    """What deletes old records."""
    limits = Limits(ttl=settings.retention_ttl, per_policy=settings.retention_per_policy)
    return Retention(kube, alertmanager, clock, limits, settings.watch_namespaces)


def notice_poster_of(settings: HealerSettings, api: Api) -> NoticePoster:
    """The poster of notices, which follows the same rule as the endpoints."""
    safety = addresses.Safety(
        denied=(*settings.denied_cidrs, *_api_server(api)),
        allowed=settings.allowed_addresses,
        allowed_namespaces=settings.allowed_namespaces,
    )
    return NoticePoster(
        lambda address: addresses.address_problem(address, safety),
        lambda host, namespace: addresses.name_problem(host, namespace, safety),
    )


def _api_server(api: Api) -> list[Network]:
    """The addresses under which the API server is known here; loopback is refused anyway."""
    hosts = {str(urlsplit(server_of(api)).hostname), os.environ.get("KUBERNETES_SERVICE_HOST", "")}
    found = [addresses.literal(host) for host in sorted(hosts)]
    return [ip_network(each) for each in found if each is not None and not each.is_loopback]

"""What the router owes its clients: shares, an untouched fallback tier, a live change of weight."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass

from demo import kubectl
from demo.stage import VENDOR, Stage
from demo.telling import StepError
from demo.traffic import Sent, Stream, send

REQUESTS = 4000
POINTS = 2.0
"""Percentage points that a share may differ from its weight."""
CHANGE_LIMIT_SECONDS = 5.0


def shares(stage: Stage, requests: int = REQUESTS) -> Sent:
    """Send requests and hold each endpoint's share against the weights 3:1.

    Raises:
        StepError: a request failed, a share is off, or the fallback tier was used.
    """
    sent = send(stage.client(), requests)
    _none_failed(sent)
    for upstream, percent in (("east", 75.0), ("west", 25.0)):
        if abs(sent.share(upstream) - percent) > POINTS:
            raise StepError(f"{upstream} got {sent.share(upstream):.1f} % instead of {percent} %")
    if sent.upstreams["vendor"]:
        raise StepError("the fallback tier got requests although the first tier serves")
    return sent


def fallback(stage: Stage, requests: int = 100) -> Sent:
    """Suspend both endpoints of the first tier: everything goes to the fallback, nothing fails.

    Raises:
        StepError: a request failed or was answered by a suspended endpoint.
    """
    with _suspended(stage, "east", "west"):
        kubectl.until("routing without east and west", 60, lambda: _eligible(stage) == {"vendor"})
        kubectl.until("acknowledgement of all routers", 30, lambda: programmed(stage))
        sent = send(stage.client(), requests)
    _none_failed(sent)
    if sent.upstreams["vendor"] != requests:
        raise StepError(f"suspended endpoints got requests: {dict(sent.upstreams)}")
    kubectl.until("return of east and west", 60, lambda: len(_eligible(stage)) > 1)
    kubectl.until("acknowledgement of all routers", 30, lambda: programmed(stage))
    return sent


@contextlib.contextmanager
def _suspended(stage: Stage, *endpoints: str) -> Generator[None]:
    for name in endpoints:
        kubectl.patch(stage.namespace, "modelendpoint", name, {"spec": {"suspend": True}})
    try:
        yield
    finally:
        for name in endpoints:
            kubectl.patch(stage.namespace, "modelendpoint", name, {"spec": {"suspend": False}})


@dataclass(frozen=True)
class Change:
    """A change of weight under traffic."""

    delay_seconds: float
    """From the patch until every router had the new table in force."""
    sent: Sent
    lost: int
    """Answered requests that no model server has on its books."""


def change_weight(stage: Stage) -> Change:
    """Turn the weights round under traffic, count, and turn them back.

    Raises:
        StepError: a request failed, or the routers took longer than 5 s.
    """
    before = version(stage)
    with Stream(stage.client()) as sent:
        time.sleep(2)
        delay = weigh(stage, {"east": 1, "west": 3}, before)
        time.sleep(2)
    lost = off_the_books(stage, sent)
    weigh(stage, {"east": 3, "west": 1}, version(stage))
    _none_failed(sent)
    if delay > CHANGE_LIMIT_SECONDS:
        raise StepError(f"the new weight took {delay:.1f} s to reach every router")
    if lost:
        raise StepError(f"{lost} answered requests were never seen by a model server")
    return Change(delay, sent, lost)


def weigh(stage: Stage, weights: dict[str, int], before: int, seconds: float = 30) -> float:
    """Give upstreams new weights; return the seconds until every router has them in force."""
    spec = kubectl.get(stage.namespace, "autoglmcluster", stage.cluster)["spec"]
    for upstream in spec["upstreams"]:
        upstream["weight"] = weights.get(upstream["name"], upstream["weight"])
    body = {"spec": {"upstreams": spec["upstreams"]}}
    kubectl.patch(stage.namespace, "autoglmcluster", stage.cluster, body)
    return kubectl.until(
        "acknowledgement of the new weights", seconds, lambda: programmed(stage, before)
    )


def off_the_books(stage: Stage, sent: Sent) -> int:
    """How many answered requests are unknown to the model server that is said to have answered.

    What was answered by a server that has gone since cannot be compared any more.
    """
    books = _model_servers_books(stage)
    return sum(pod in books and name not in books[pod] for name, pod in sent.pods.items())


def _model_servers_books(stage: Stage) -> dict[str, set[str]]:
    """Ids of all requests that the model servers were asked, from their own counts, by pod."""
    pods = kubectl.items(stage.namespace, "pods", "-l", "autoglm.io/endpoint")
    pods += kubectl.items(VENDOR, "pods", "-l", "app=simulator")
    seen: dict[str, set[str]] = {}
    for pod in pods:
        address = pod.get("status", {}).get("podIP")
        if address and kubectl.condition(pod, "Ready").get("status") == "True":
            url = f"http://{address}:8000/admin/requests"
            with urllib.request.urlopen(url, timeout=10) as reply:
                seen[pod["metadata"]["name"]] = set(json.load(reply)["requests"])
    return seen


def _none_failed(sent: Sent) -> None:
    if sent.failures:
        raise StepError(f"{len(sent.failures)} of {sent.total} failed, as {sent.failures[0]}")


def version(stage: Stage) -> int:
    """The version of the routing table that the cluster's status shows."""
    cluster = kubectl.get(stage.namespace, "autoglmcluster", stage.cluster)
    return int(cluster["status"]["routing"]["version"])


def programmed(stage: Stage, newer_than: int = 0) -> bool:
    """Whether every router has a table in force that fits the spec and is newer than a version."""
    cluster = kubectl.get(stage.namespace, "autoglmcluster", stage.cluster)
    routing = cluster["status"].get("routing", {})
    current = cluster["status"].get("observedGeneration") == cluster["metadata"]["generation"]
    acknowledged = routing.get("acknowledged") == routing.get("routers", -1)
    return bool(current and acknowledged and routing.get("version", 0) > newer_than)


def _eligible(stage: Stage) -> set[str]:
    status = kubectl.get(stage.namespace, "autoglmcluster", stage.cluster).get("status", {})
    return {known["name"] for known in status.get("upstreams", []) if known["eligible"]}

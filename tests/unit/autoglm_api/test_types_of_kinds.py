"""AutoGLMCluster and ModelEndpoint as code reads them."""

from datetime import timedelta

import pytest

from autoglm_api.autoglmcluster import AutoGLMCluster, CooperationStrategy
from autoglm_api.modelendpoint import Engine, ModelEndpoint
from autoglm_api.resource import UnreadableObject
from customresources import (
    Object,
    a_cluster,
    a_full_cluster,
    a_full_external_endpoint,
    a_full_managed_endpoint,
    a_managed_endpoint,
    an_autoscaled_endpoint,
    an_external_endpoint,
)


def test_a_small_cluster_has_sensible_defaults() -> None:
    spec = AutoGLMCluster.read(a_cluster()).spec
    assert (spec.router.replicas, spec.planner.replicas, spec.executor.initial_replicas) == (
        2,
        2,
        2,
    )
    assert spec.upstreams[0].weight == 1
    assert spec.circuit_breaker.open_duration == timedelta(seconds=10)
    assert spec.cooperation.strategy is CooperationStrategy.PLAN
    assert spec.sessions.store.embedded.storage == "1Gi"
    assert not spec.paused


def test_a_cluster_that_is_read_can_be_written_again() -> None:
    once = AutoGLMCluster.read(a_full_cluster())
    again = AutoGLMCluster.read({**a_full_cluster(), "spec": once.spec.as_json()})
    assert again == once


@pytest.mark.parametrize(
    "obj", [a_full_external_endpoint(), a_full_managed_endpoint(), an_autoscaled_endpoint()]
)
def test_an_endpoint_that_is_read_can_be_written_again(obj: Object) -> None:
    once = ModelEndpoint.read(obj)
    assert ModelEndpoint.read({**obj, "spec": once.spec.as_json()}) == once


def test_an_external_endpoint_keeps_its_url_as_it_is() -> None:
    external = ModelEndpoint.read(an_external_endpoint(baseURL="https://a/v4/")).spec.external
    assert external
    assert external.base_url == "https://a/v4/"
    assert external.as_json() == {"baseURL": "https://a/v4/"}


def test_a_managed_endpoint_has_one_pod_on_port_8000() -> None:
    managed = ModelEndpoint.read(a_managed_endpoint()).spec.managed
    assert managed
    told = (managed.engine, managed.replicas, managed.initial_replicas, managed.port)
    assert told == (Engine.SIMULATOR, None, 1, 8000)


def test_an_autoscaler_begins_with_the_fewest_pods() -> None:
    managed = ModelEndpoint.read(an_autoscaled_endpoint()).spec.managed
    assert managed
    assert (managed.replicas, managed.initial_replicas) == (None, 1)
    executor = AutoGLMCluster.read(a_full_cluster()).spec.executor
    assert (executor.replicas, executor.initial_replicas) == (None, 1)


def test_a_written_number_of_pods_counts() -> None:
    managed = ModelEndpoint.read(a_managed_endpoint(replicas=0)).spec.managed
    assert managed
    assert managed.initial_replicas == 0
    executor = AutoGLMCluster.read(a_cluster(executor={"replicas": 5})).spec.executor
    assert executor.initial_replicas == 5


@pytest.mark.parametrize("kind", ["External", "Managed"])
@pytest.mark.parametrize("blocks", [(), ("external", "managed")])
def test_exactly_the_block_of_the_type_is_read(kind: str, blocks: tuple[str, ...]) -> None:
    every = {**an_external_endpoint()["spec"], **a_managed_endpoint()["spec"]}
    spec = {"type": kind, "model": "m", **{block: every[block] for block in blocks}}
    with pytest.raises(UnreadableObject) as refusal:
        ModelEndpoint.read({**an_external_endpoint(), "spec": spec})
    assert str(refusal.value) == f"spec: type {kind} needs exactly the block {kind.lower()}"

"""A model's files on a real volume are what they are said to be, or nothing serves them."""

import hashlib
from collections.abc import Generator

import pytest

from builders import a_claim, a_job_on_a_claim, an_object
from demo import kubectl
from demo.traffic import MODEL
from demo_stage import Scene
from kube import Kube
from kubeconfig import Object
from statuses import condition
from timeline import Timeline, within

SOON = within(90)
"""Generous: a claim binds and a pod starts within ten seconds on an idle machine."""
NAME = "checked"
FILES = {"config.json": "{}", "weights/part-1": "heavy"}


def digest() -> str:
    """The digest by the documentation's words, not by our code."""
    lines = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  ./{name}\n"
        for name, text in sorted(FILES.items())
    )
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


class Shelf:
    """A claim with the files of a model, and an endpoint that serves them."""

    def __init__(self, kube: Kube, namespace: str, busybox: str, timeline: Timeline) -> None:
        self._kube, self._namespace = kube, namespace
        self._busybox, self._timeline = busybox, timeline

    def run(self, name: str, command: str) -> None:
        """Have a pod do something to the volume."""
        self._kube.create(a_job_on_a_claim(name, self._busybox, command, NAME), self._namespace)

        def done() -> bool:
            job = self._kube.get("Job", name, self._namespace)
            assert condition(job, "Failed") != "True"
            return condition(job, "Complete") == "True"

        self._timeline.want(SOON, f"{name} is done", done)
        self._kube.delete("Job", name, self._namespace)

    def endpoint(self) -> Object:
        """The endpoint as it is."""
        found = self._kube.get("ModelEndpoint", NAME, self._namespace)
        assert found is not None
        return found

    def pods(self) -> list[str]:
        """Names of its pods."""
        found = self._kube.list("Pod", self._namespace, f"autoglm.io/endpoint={NAME}")
        return [str(pod["metadata"]["name"]) for pod in found]

    def restart(self) -> None:
        """Delete the endpoint's pods, as a node that ends does."""
        for name in self.pods():
            self._kube.delete("Pod", name, self._namespace)


@pytest.fixture
def shelf(kube: Kube, scene: Scene, busybox: str, timeline: Timeline) -> Generator[Shelf]:
    """A claim with the right files."""
    shelf = Shelf(kube, scene.namespace, busybox, timeline)
    kube.create(a_claim(NAME), scene.namespace)
    writes = (f"printf %s '{text}' > /disk/glm/{name}" for name, text in FILES.items())
    shelf.run("fill", f"mkdir -p /disk/glm/weights && {' && '.join(writes)}")
    yield shelf
    kube.delete("ModelEndpoint", NAME, scene.namespace)
    timeline.want(SOON, "its pods are gone", lambda: not shelf.pods())
    kube.delete("PersistentVolumeClaim", NAME, scene.namespace)


def test_one_flipped_byte_is_never_served(
    kube: Kube, scene: Scene, shelf: Shelf, timeline: Timeline
) -> None:
    artifact = {"uri": f"pvc://{NAME}/glm", "digest": digest()}
    managed = {"engine": "Simulator", "artifact": artifact}
    spec = {"type": "Managed", "model": MODEL, "managed": managed}
    endpoint = an_object("ModelEndpoint", NAME, "autoglm.io/v1alpha1", spec=spec)
    kube.create(endpoint, scene.namespace)

    def ready() -> bool:
        return condition(shelf.endpoint(), "Ready") == "True"

    timeline.want(SOON, "the right files are served", ready)

    shelf.run("flip", "printf X | dd of=/disk/glm/weights/part-1 bs=1 seek=2 conv=notrunc")
    shelf.restart()

    def refused() -> bool:
        degraded = kubectl.condition(shelf.endpoint(), "Degraded")
        return (degraded.get("status"), degraded.get("reason")) == ("True", "DigestMismatch")

    timeline.want(SOON, "the endpoint says why", refused)
    assert condition(shelf.endpoint(), "Ready") == "False"

    shelf.run("mend", "printf a | dd of=/disk/glm/weights/part-1 bs=1 seek=2 conv=notrunc")
    shelf.restart()
    timeline.want(SOON, "the right files are served again", ready)

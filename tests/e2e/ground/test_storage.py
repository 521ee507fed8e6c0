"""A claim binds without help, and what is written outlives the pod."""

from builders import a_claim, a_container, a_job, a_mount
from kube import Kube
from kubeconfig import Object
from statuses import condition, phase
from timeline import Timeline, within

WORD = "kept"


def a_job_on_the_disk(name: str, image: str, command: str) -> Object:
    mounts = [a_mount("disk", "/disk")]
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    container = a_container(image, ["sh", "-c", command], volumeMounts=mounts)
    return a_job(name, container, volumes=[disk])


def test_data_outlives_the_pod_that_wrote_it(
    kube: Kube, namespace: str, nodes: list[str], busybox: str, timeline: Timeline
) -> None:
    assert nodes
    kube.create(a_claim("disk"), namespace)

    def done(name: str) -> bool:
        job = kube.get("Job", name, namespace)
        assert condition(job, "Failed") != "True", kube.list("Pod", namespace)
        return condition(job, "Complete") == "True"

    kube.create(a_job_on_the_disk("write", busybox, f"echo {WORD} > /disk/file"), namespace)
    timeline.want(within(90), "one pod has written", lambda: done("write"))
    assert phase(kube.get("PersistentVolumeClaim", "disk", namespace)) == "Bound"
    kube.delete("Job", "write", namespace)
    timeline.want(within(60), "it is gone", lambda: not kube.list("Pod", namespace))

    read = f"test $(cat /disk/file) = {WORD}"
    kube.create(a_job_on_the_disk("read", busybox, read), namespace)
    timeline.want(within(60), "another has read it", lambda: done("read"))

"""A claim binds without help, and what is written outlives the pod."""

from builders import a_claim, a_job_on_a_claim
from kube import Kube
from statuses import condition, phase
from timeline import Timeline, within

WORD = "kept"


def test_data_outlives_the_pod_that_wrote_it(
    kube: Kube, namespace: str, nodes: list[str], busybox: str, timeline: Timeline
) -> None:
    assert nodes
    kube.create(a_claim("disk"), namespace)

    def done(name: str) -> bool:
        job = kube.get("Job", name, namespace)
        assert condition(job, "Failed") != "True", kube.list("Pod", namespace)
        return condition(job, "Complete") == "True"

    write = f"echo {WORD} > /disk/file"
    kube.create(a_job_on_a_claim("write", busybox, write, "disk"), namespace)
    timeline.want(within(90), "one pod has written", lambda: done("write"))
    assert phase(kube.get("PersistentVolumeClaim", "disk", namespace)) == "Bound"
    kube.delete("Job", "write", namespace)
    timeline.want(within(60), "it is gone", lambda: not kube.list("Pod", namespace))

    read = f"test $(cat /disk/file) = {WORD}"
    kube.create(a_job_on_a_claim("read", busybox, read, "disk"), namespace)
    timeline.want(within(60), "another has read it", lambda: done("read"))

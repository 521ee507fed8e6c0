"""What a policy says of itself on a real API server: usable or not, its matches, its last run."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from customresources import a_policy
from healing_objects import SOON, Scene
from kube import Kube, KubeError
from kubeconfig import Object
from proxy_faults import Match
from sick_pods import a_web_deployment
from statuses import condition
from timeline import within

LOOKED_AGAIN = within(120)
"""What a policy matches is counted once a minute."""
HOOK: Object = {"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}
TOLD: Object = {
    "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}, {"action": "Notify"}],
    "notify": [HOOK],
}
HEALING = Path(__file__).parents[3] / "docs" / "healing.md"
TARGETS = ("Pod", "Workload", "ModelEndpoint", "Node", "PersistentVolumeClaim")
OPTIONS: dict[str, Object] = {
    "`Restart`, scope `Pod`": {"restart": {"scope": "Pod"}},
    "`Restart`, scope `Workload`": {"restart": {"scope": "Workload"}},
    "`ScaleOut`": {"scaleOut": {"maxReplicas": 3}},
    "`CleanDisk`": {},
    "`IsolateNode`": {"isolateNode": {"level": "Drain"}},
    "`Notify`": {},
}
"""The rows of the documentation's table, and what the action needs besides its name."""


def status(scene: Scene) -> Object:
    """The policy's status."""
    found: Object = scene.policy().get("status", {})
    return found


def says(scene: Scene, about: str) -> tuple[str, str]:
    """Status and reason of a condition of the policy."""
    found = status(scene).get("conditions", ())
    return next(((c["status"], c["reason"]) for c in found if c["type"] == about), ("", ""))


def message(scene: Scene, about: str) -> str:
    """The sentence of a condition of the policy."""
    found = status(scene).get("conditions", ())
    return next((str(c["message"]) for c in found if c["type"] == about), "")


def wants(scene: Scene, about: str, *said: str) -> None:
    """Wait until a condition of the policy has this status and reason."""
    scene.timeline.want(
        SOON, f"{about} is {'/'.join(said)}", lambda: says(scene, about) == tuple(said)
    )


def edit(scene: Scene, **spec: object) -> None:
    """Change the live policy."""
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": spec})


@pytest.mark.usefixtures("healer")
def test_a_policy_says_how_many_objects_it_matches_now(scene: Scene) -> None:
    scene.make_policy()
    wants(scene, "Ready", "True", "Ready")
    assert status(scene)["matching"] == 1
    assert "1 object matches its target now" in message(scene, "Ready")

    scene.kube.create(a_web_deployment(name="web2"), scene.namespace)

    scene.timeline.want(LOOKED_AGAIN, "both count", lambda: status(scene)["matching"] == 2)
    other: Object = {"kind": "Workload", "selector": {"matchLabels": {"app": "nothing"}}}
    edit(scene, target=other)
    scene.timeline.start("the target is edited")
    scene.timeline.want(SOON, "an edit counts at once", lambda: status(scene)["matching"] == 0)
    assert status(scene)["observedGeneration"] == scene.policy()["metadata"]["generation"]


@pytest.mark.usefixtures("healer")
def test_a_policy_says_what_it_did_last(scene: Scene) -> None:
    policy = scene.make_policy(verify={"stabilization": "1s", "timeout": "10s"})
    wants(scene, "Ready", "True", "Ready")
    assert "lastRun" not in status(scene)

    good = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(
        SOON,
        "the first run is named",
        lambda: status(scene).get("lastRun") == {"name": good, "phase": "Succeeded"},
    )
    scene.timeline.want(SOON, "both pods are ready", scene.all_ready)
    scene.pods.hopeless = True
    bad = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(
        SOON,
        "the second run is named",
        lambda: status(scene)["lastRun"] == {"name": bad, "phase": "Escalated"},
    )


@pytest.mark.usefixtures("healer")
def test_pauses_and_modes_show_at_once_and_back(scene: Scene) -> None:
    scene.make_policy()
    wants(scene, "Ready", "True", "Ready")
    changed = _transition(scene, "Accepted")

    edit(scene, paused=True)
    wants(scene, "Ready", "False", "Paused")
    edit(scene, paused=False, mode="DryRun")
    wants(scene, "Ready", "True", "DryRun")
    assert "only records what it would do" in message(scene, "Ready")
    edit(scene, mode="Enforce")
    wants(scene, "Ready", "True", "Ready")
    assert condition(scene.policy(), "Accepted") == "True"
    assert _transition(scene, "Accepted") == changed, "it was accepted all the time"


def _transition(scene: Scene, about: str) -> str:
    found = status(scene)["conditions"]
    return next(str(c["lastTransitionTime"]) for c in found if c["type"] == about)


@pytest.mark.usefixtures("healer")
def test_a_policy_says_what_is_wrong_with_the_secret_that_it_names(scene: Scene) -> None:
    scene.make_policy(**TOLD)
    wants(scene, "ResolvedRefs", "False", "SecretNotFound")
    assert "create it with the key url" in message(scene, "ResolvedRefs")
    assert says(scene, "Ready") == ("False", "SecretNotFound")

    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hook"},
        "data": {"other": base64.b64encode(b"https://example.com/").decode()},
    }
    scene.kube.create(secret, scene.namespace)
    scene.timeline.start("the Secret is there")
    wants(scene, "ResolvedRefs", "False", "SecretNotLabelled")

    label = {"metadata": {"labels": {"autoglm.io/credential": "true"}}}
    scene.kube.patch("Secret", "hook", scene.namespace, label)
    wants(scene, "ResolvedRefs", "False", "KeyNotFound")

    data = {"data": {"url": base64.b64encode(b"https://example.com/").decode()}}
    scene.kube.patch("Secret", "hook", scene.namespace, data)
    scene.timeline.start("its key is there, too")
    wants(scene, "ResolvedRefs", "True", "Resolved")
    assert says(scene, "Ready") == ("True", "Ready")


@pytest.mark.usefixtures("healer")
def test_an_idle_policy_is_not_written_again(scene: Scene) -> None:
    scene.make_policy()
    wants(scene, "Ready", "True", "Ready")
    statuses = Match(resource="healingpolicies", subresource="status")
    before = len(scene.proxy.writes(statuses))
    scene.timeline.stays(
        75, "nothing is written", lambda: len(scene.proxy.writes(statuses)) == before
    )
    assert before >= 1


def test_the_table_of_the_documentation_is_what_the_api_server_enforces(
    kube: Kube, crds: list[str], namespace: str
) -> None:
    assert crds
    said = dict(documented())
    assert len(said) == len(OPTIONS) * len(TARGETS)
    assert {cell: fits(kube, namespace, *cell) for cell in said} == said


def documented() -> Iterator[tuple[tuple[str, str], bool]]:
    """Action and target of each cell of the table, and whether it says that they fit."""
    text = HEALING.read_text().partition("## Which action fits which target")[2]
    header, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    kinds = [cell.strip() for cell in header.strip("|").split("|")][1:]
    for row in rows[: len(OPTIONS)]:
        action, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        for kind, cell in zip(kinds, cells, strict=True):
            yield (action.partition(", once")[0], kind), {"yes": True, "no": False}[cell]


def fits(kube: Kube, namespace: str, action: str, kind: str) -> bool:
    """Whether the API server takes a policy with one action for a kind of target."""
    target: Object = {"kind": kind, "selector": {"matchLabels": {"app": "web"}}}
    step: Object = {"action": action.split("`")[1], **OPTIONS[action]}
    policy = a_policy("crash", target=target, ladder=[step], notify=[HOOK])
    try:
        kube.create(policy, namespace, dry_run=True)
    except KubeError as error:
        if "fit" not in error.message and "needs target kind" not in error.message:
            raise
        return False
    return True

"""A release that tests uninstall, and what there still is of it afterwards.

Exists so that such a test tells what was done and what must be gone. Never checks anything.
"""

import contextlib
import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass

import images
import programs
from autoglm_api.alerts import Alert
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching
from builders import a_namespace
from customresources import a_policy
from demo import kubectl, stage
from demo_stage import forget_definitions
from healing_objects import an_alert, token_of
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within

RELEASE, SYSTEM, TEAM = "leaving", "leaving-system", "leaving-team"
HELM_SECONDS = 330.0
"""Longer than helm waits for a hook."""
OF_KUBERNETES = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
"""What every namespace has."""
NAMED = {
    "secret/autoglm-operator-ca",
    f"secret/{RELEASE}-receiver-tls",
    f"configmap/{RELEASE}-receiver-ca",
    f"lease.coordination.k8s.io/{RELEASE}-operator",
    f"lease.coordination.k8s.io/{RELEASE}-healer",
}
"""What the release's processes have made in its namespace and what goes with it. Source: README,
"Take it away"."""
RESTLESS = ("events", "metrics.k8s.io", "certificatesigningrequests", "persistentvolumes.")
"""Parts of the names of resources that come and go by themselves."""
_GONE = within(180)


@dataclass(frozen=True)
class LeavingRelease:
    """The release, the namespace of a team that it heals, and the cluster as it was before."""

    kube: Kube
    before: frozenset[str]

    def install(self, *words: str, tag: str = "") -> None:
        """Install the chart with one replica of each process, and rights over nodes."""
        repository, built = images.ensure(["autoglm"])["autoglm"].reference.rsplit(":", 1)
        one = {name: {"replicas": 1} for name in ("operator", "receiver", "healer")}
        values: Object = {
            "image": {"repository": repository, "tag": tag or built},
            "nodeHealing": {"enabled": True},
            "trustedNamespaces": [TEAM],
            **one,
        }
        chart = str(stage.CHART)
        done = helm("install", RELEASE, chart, "--create-namespace", *words, values=values)
        assert done.returncode == 0, done.stderr

    def start(self, policy: str, target: Object, step: Object, told: Object) -> str:
        """Store a policy of one step, and the run that its receiver would make for an alert.

        Args:
            policy: Its name.
            target: What it is about.
            step: What it does.
            told: Labels of the alert.
        """
        spec: Object = {
            "mode": "Enforce",
            "target": target,
            "ladder": [step],
            "verify": {"stabilization": "1s", "timeout": "2m"},
        }
        stored = HealingPolicy.read(self.kube.create(a_policy(policy, **spec), TEAM))
        labels = {"alertname": "KubePodCrashLooping", "namespace": TEAM, **told}
        alert = Alert.model_validate(an_alert(policy, TEAM, labels=labels))
        token = token_of(self.kube, SYSTEM, f"{RELEASE}-receiver", audience="")
        made = self.kube.as_user(token).create(matching.run_for(stored, alert), TEAM)
        return str(made["metadata"]["name"])

    def run(self, name: str) -> Object:
        """A run as it is."""
        found = self.kube.get("HealingRun", name, TEAM)
        assert found is not None
        return found

    def left(self) -> set[str]:
        """What there is of the release that was not there before it.

        The namespaces were not made by the chart, the kinds are kept on purpose, and what the
        processes made for themselves is named.
        """
        kept = {f"namespace/{name}" for name in (SYSTEM, TEAM)}
        names = cluster_wide() - self.before - kept
        of_the_release = f"app.kubernetes.io/instance={RELEASE}"
        names = {name for name in names if not name.endswith("autoglm.io")}
        names |= _names(_resources(namespaced=True), "-A", "-l", of_the_release)
        return names | _names(_resources(namespaced=True), "-n", SYSTEM) - OF_KUBERNETES - NAMED

    def is_gone(self) -> bool:
        """Whether nothing is left.

        Raises:
            AssertionError: something is; the message names it.
        """
        left = self.left()
        assert not left, sorted(left)
        return True


def helm(*words: str, values: Object | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm in the release's namespace."""
    given = [] if values is None else ["--values", "-"]
    return subprocess.run(
        [str(programs.ensure(["helm"])["helm"]), *words, "--namespace", SYSTEM, *given],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        check=False,
        timeout=HELM_SECONDS,
    )


@contextlib.contextmanager
def prepared(kube: Kube) -> Generator[LeavingRelease]:
    """A cluster without release and without kinds of ours, before and after."""
    forget_definitions(kube)
    before = frozenset(cluster_wide())
    try:
        kube.create(a_namespace(TEAM))
        yield LeavingRelease(kube, before)
    finally:
        helm("uninstall", RELEASE, "--ignore-not-found", "--no-hooks")
        forget_cluster_wide()
        _release_runs(kube)
        for name in (TEAM, SYSTEM):
            kube.delete("Namespace", name)
        Timeline().want(
            _GONE,
            "the namespaces are gone",
            lambda: not any(kube.get("Namespace", name) for name in (TEAM, SYSTEM)),
        )
        forget_definitions(kube)


def forget_cluster_wide() -> None:
    """Delete what a release leaves outside of namespaces if it goes without its hook.

    Source: the chart's NOTES.txt.
    """
    roles = "clusterrole,clusterrolebinding"
    policies = "validatingadmissionpolicy,validatingadmissionpolicybinding"
    ours = f"app.kubernetes.io/part-of=autoglm,app.kubernetes.io/instance={RELEASE}"
    kubectl.run("delete", f"{roles},{policies},namespace", "-l", ours)


def _release_runs(kube: Kube) -> None:
    """Let go of runs that a failed test has left behind: nobody will undo anything for them."""
    with contextlib.suppress(LookupError):  # the kinds were never there
        for run in kube.list("HealingRun", TEAM):
            if run["metadata"].get("finalizers"):
                gone: Object = {"metadata": {"finalizers": None}}
                kube.patch("HealingRun", run["metadata"]["name"], TEAM, gone)


def cluster_wide() -> set[str]:
    """Names of everything outside of namespaces, with its kind."""
    return _names(_resources(namespaced=False))


def _resources(*, namespaced: bool) -> str:
    asked = (f"--namespaced={str(namespaced).lower()}", "--verbs=list", "-o", "name")
    found = kubectl.run("api-resources", *asked).split()
    # The dot tells a resource from one whose name it begins.
    return ",".join(name for name in found if not any(part in f"{name}." for part in RESTLESS))


def _names(resources: str, *options: str) -> set[str]:
    return set(kubectl.run("get", resources, *options, "-o", "name").split())

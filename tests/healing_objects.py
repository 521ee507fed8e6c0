"""Alerts, senders and the state of runs, as tests of healing need them.

Exists so that each such test states only what it is about. Never decides when to look.
"""

import hashlib
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from autoglm_api.alerts import Alert
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching
from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.clock import SystemClock
from healing_processes import HealingProcess
from kube import Kube
from kubeconfig import Object
from proxy_faults import Match
from recording_proxy import RecordingProxy
from sick_pods import SickPods
from statuses import condition, is_ready
from timeline import Timeline, within

READY_SECONDS = 60.0
"""Arbitrary, because a process is ready within seconds on an idle machine."""

MakeProcess = Callable[..., HealingProcess]
MakePolicy = Callable[..., HealingPolicy]
EVICTIONS = Match(subresource="eviction")
SOON = within(60)
"""Generous: everything waited for takes a few seconds on an idle machine."""


@dataclass(frozen=True)
class Trust:
    """The receiver's certificate on disk, and who trusts it."""

    directory: Path
    context: ssl.SSLContext
    authority: Path
    """Its authority's certificate, for programs that trust by file."""

    @classmethod
    def made(cls, directory: Path) -> Self:
        """Write a certificate for localhost by an authority of its own."""
        now = SystemClock().now()
        authority = certificates.new_authority("test", now)
        issued = certificates.issue(authority, "localhost", now)
        directory.mkdir(exist_ok=True)
        (directory / "tls.crt").write_bytes(issued.certificate)
        (directory / "tls.key").write_bytes(issued.key)
        trusted = directory / "ca.crt"
        trusted.write_bytes(authority.certificate)
        context = ssl.create_default_context(cadata=authority.certificate.decode())
        return cls(directory, context, trusted)


@dataclass(frozen=True)
class Sender:
    """Posts alerts with the token of a ServiceAccount that may."""

    receiver: HealingProcess
    trust: Trust
    token: str | None

    def post(self, *alerts: Object, **document: object) -> httpx.Response:
        """Deliver alerts as one group."""
        body = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts)}
        return self.receiver.deliver(body | document, self.token, self.trust.context)

    def event(self, event: Object) -> httpx.Response:
        """Post a flat event."""
        return self.receiver.deliver(event, self.token, self.trust.context, "/v1/events")


def allow(kube: Kube, release: str, account: str) -> None:
    """Give a ServiceAccount the right to post alerts."""
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["autoglm.io"], "resources": ["healingruns/alerts"], "verbs": ["create"]}
    kube.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": "alert-sender"},
            "rules": [rule],
        },
        release,
    )
    kube.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": account},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "alert-sender"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": release}],
        },
        release,
    )


def token_of(kube: Kube, release: str, account: str, audience: str = "autoglm-receiver") -> str:
    """A token of a ServiceAccount, which is made if it is missing.

    Without an audience the token is for the API server.
    """
    kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}, release
    )
    path = f"/api/v1/namespaces/{release}/serviceaccounts/{account}/token"
    answer = kube.call("POST", path, {"spec": {"audiences": [audience] if audience else []}})
    return str(answer["status"]["token"])


def an_alert(pod: str, namespace: str, **changes: Any) -> Object:  # noqa: ANN401
    """An alert about a pod as Alertmanager sends it; each pod has a fingerprint of its own."""
    labels = {"alertname": "KubePodCrashLooping", "namespace": namespace, "pod": pod}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {},
        "startsAt": SystemClock().now().isoformat(timespec="milliseconds"),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": hashlib.sha256(pod.encode()).hexdigest()[:16],
        **changes,
    }


@dataclass(frozen=True)
class Scene:
    """Two pods of a Deployment, a policy maker and the proxy that counts what a healer does."""

    kube: Kube
    namespace: str
    release: str
    timeline: Timeline
    proxy: RecordingProxy
    pods: SickPods
    make_policy: MakePolicy

    def start_run(
        self,
        policy: HealingPolicy,
        pod: Object,
        *,
        by: Kube | None = None,
        annotations: Mapping[str, str] | None = None,
        **changes: Any,  # noqa: ANN401 - any field of an alert
    ) -> str:
        """Store the run that the receiver would make for a pod, and return its name.

        Args:
            policy: Whose run.
            pod: What the alert is about.
            by: Who stores it; the administrator by default.
            annotations: What it carries.
            changes: What the alert says otherwise.
        """
        fired = an_alert(pod["metadata"]["name"], self.namespace, **changes)
        run = matching.run_for(policy, Alert.model_validate(fired))
        run["metadata"]["annotations"] = dict(annotations or {})
        made = (by or self.kube).create(run, self.namespace)
        return str(made["metadata"]["name"])

    def run(self, name: str) -> Object:
        """The run as it is."""
        found = self.kube.get("HealingRun", name, self.namespace)
        assert found is not None
        return found

    def phase(self, name: str) -> str:
        """The phase of a run, "Pending" before the healer has seen it."""
        return str(self.run(name).get("status", {}).get("phase", "Pending"))

    def reason(self, name: str, about: str = "Progressing") -> str:
        """The reason of a condition of a run, empty if it is not there."""
        conditions: list[Object] = self.run(name).get("status", {}).get("conditions") or []
        return next((str(each["reason"]) for each in conditions if each["type"] == about), "")

    def wants_phase(self, name: str, phase: str) -> None:
        """Wait until a run has this phase."""
        self.timeline.want(SOON, f"the run is {phase}", lambda: self.phase(name) == phase)

    def wants_reason(self, name: str, reason: str) -> None:
        """Wait until a run goes on, is held or ended for this reason."""
        self.timeline.want(SOON, f"the run says {reason}", lambda: self.reason(name) == reason)

    def wants_accepted(self) -> None:
        """Wait until the policy's status is written: the first write of a healer."""
        self.timeline.want(
            SOON, "the policy is accepted", lambda: condition(self.policy(), "Accepted") == "True"
        )

    def policy(self) -> Object:
        """The policy as it is."""
        found = self.kube.get("HealingPolicy", "crash", self.namespace)
        assert found is not None
        return found

    def exists(self, pod: Object) -> bool:
        """Whether exactly this pod is still there."""
        found = self.kube.get("Pod", pod["metadata"]["name"], self.namespace)
        return found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]

    def evicted(self) -> Counter[str]:
        """How often the API server carried out an eviction of each pod."""
        found = self.proxy.writes(EVICTIONS)
        here = [each for each in found if each.call.namespace == self.namespace]
        return Counter(record.call.name for record in here if record.applied)

    def revisions(self) -> int:
        """How often the workload was rolled out, the first time included."""
        return len(self.kube.list("ReplicaSet", self.namespace))

    def all_ready(self) -> bool:
        """Whether two pods are there and ready."""
        return [is_ready(pod) for pod in self.pods.live()] == [True, True]

"""Objects and looks that tests of the operator share.

Exists so that a test states only what it is about. Never talks to a cluster.
"""

from kubeconfig import Object


def a_simulator(name: str = "local", **managed: object) -> Object:
    """A managed endpoint of engine Simulator that is probed every second."""
    return {
        "apiVersion": "autoglm.io/v1alpha1",
        "kind": "ModelEndpoint",
        "metadata": {"name": name},
        "spec": {
            "type": "Managed",
            "model": "sim",
            "managed": {"engine": "Simulator", "replicas": 2, **managed},
            "healthCheck": {"interval": "1s", "timeout": "1s"},
        },
    }


def reason(obj: Object | None, kind: str) -> str:
    """Return the reason of a condition, "" when it or the object is missing."""
    conditions: list[Object] = (obj or {}).get("status", {}).get("conditions") or []
    return next((str(each["reason"]) for each in conditions if each["type"] == kind), "")

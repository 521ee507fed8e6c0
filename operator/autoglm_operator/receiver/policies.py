"""The HealingPolicies as the receiver knows them: read once, matched many times.

Fed by events and lists. A policy that cannot be used matches nothing. Never asks the API server.
"""

import logging

from autoglm_api.alerts import Alert
from autoglm_api.flatevents import FlatEvent
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.kinds import Kind
from autoglm_api.resource import UnreadableObject
from autoglm_operator.decisions import matching
from autoglm_operator.decisions.reading import Manifest, name_of

log = logging.getLogger(__name__)


class PolicyCatalogue:
    """Usable policies by namespace and name."""

    def __init__(
        self,
        trusted_namespaces: frozenset[str],
        event_namespaces: frozenset[str] = frozenset(),
    ) -> None:
        self._trusted = trusted_namespaces
        self._event_namespaces = event_namespaces
        self._policies: dict[tuple[str, str], HealingPolicy] = {}

    def on_change(self, _: Kind, before: Manifest | None, after: Manifest | None) -> None:
        """Take a change in, as the informer reports it."""
        if after is not None:
            self.put(after)
        elif before is not None:
            self.remove(before)

    def put(self, obj: Manifest) -> None:
        """Learn a policy as it is now."""
        where = _where(obj)
        try:
            policy = HealingPolicy.read(obj)
        except UnreadableObject as error:
            problem: str | None = str(error)
        else:
            problem = matching.problem_of(policy)
            if problem is None and not policy.metadata.deletion_timestamp:
                self._policies[where] = policy
                log.info("policy learnt", extra={"policy": "/".join(where)})
                return
        self._policies.pop(where, None)
        log.warning("policy not in use", extra={"policy": "/".join(where), "problem": problem})

    def remove(self, obj: Manifest) -> None:
        """Forget a policy, unless its name belongs to another one by now."""
        where = _where(obj)
        known = self._policies.get(where)
        if known is not None and known.metadata.uid == obj["metadata"].get("uid"):
            del self._policies[where]

    def matching(self, alert: Alert) -> tuple[HealingPolicy, ...]:
        """Every policy that is about an alert."""
        return tuple(
            policy
            for policy in self._policies.values()
            if matching.matches(policy, alert.labels, self._trusted)
        )

    def matching_event(self, event: FlatEvent) -> tuple[HealingPolicy, ...]:
        """Every policy that is about an event, in namespaces whose policies may match events."""
        return tuple(
            policy
            for policy in self._policies.values()
            if policy.metadata.namespace in self._event_namespaces
            and matching.matches_event(policy, event.labels, event.hint)
        )


def _where(obj: Manifest) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace") or ""), name_of(obj)

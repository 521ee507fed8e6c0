"""What a notice about a run says: as text for people in Slack, as a document for programs.

It tells what is known, never a label that the policy did not ask for and never a log. Never sends
anything.
"""

from typing import Any, Final

from autoglm_api.base import SecretKeyRef
from autoglm_api.conditions import ConditionType, find_condition
from autoglm_api.healingguards import NotifyTarget, NotifyType, NotifyURL
from autoglm_api.healingrun import HealingRun, StepRecord

VERSION: Final = "1"
"""Of the Webhook document; it changes when a field is removed or changes its meaning."""


def body(target: NotifyTarget, run: HealingRun) -> dict[str, Any]:
    """The JSON document for one place."""
    if target.type is NotifyType.SLACK:
        return {"text": text(run)}
    return document(run)


def url_of(target: NotifyTarget) -> NotifyURL:
    """Where the place's URL stands.

    Raises:
        ValueError: the API server should never have stored this; it has no block for its type.
    """
    found = target.slack if target.type is NotifyType.SLACK else target.webhook
    if found is None:
        message = f"notify of type {target.type} lacks its block"
        raise ValueError(message)
    return found


def refs_of(target: NotifyTarget) -> tuple[SecretKeyRef, ...]:
    """Every Secret that the place names, the one with the URL first.

    Raises:
        ValueError: as `url_of`.
    """
    found = url_of(target)
    refs = (found.url_secret_ref, found.ca_secret_ref)
    return tuple(ref for ref in refs if ref is not None)


def document(run: HealingRun) -> dict[str, Any]:
    """The run for programs; times are RFC 3339 in UTC."""
    status, alert = run.status, run.spec.alert
    target = status.target
    return {
        "version": VERSION,
        "run": {"namespace": run.metadata.namespace, "name": run.metadata.name},
        "policy": run.spec.policy.name,
        "alert": {"name": alert.name, "startsAt": alert.as_json()["startsAt"]},
        "target": None if target is None else {"kind": target.kind, "name": target.name},
        "message": _found(run),
        "steps": [
            {"action": step.action, "outcome": step.outcome, "message": step.message or ""}
            for step in _tried(run)
        ],
    }


def text(run: HealingRun) -> str:
    """The run for people, a few lines."""
    where = f"{run.metadata.namespace}/{run.metadata.name}"
    target = run.status.target
    about = f"{target.kind} {target.name}" if target is not None else "an unknown target"
    lines = [
        f"Alert {run.spec.alert.name} about {about} needs a person. {_found(run)}".strip(),
        *(
            f"• {step.action}: {step.outcome}. {step.message or ''}".rstrip()
            for step in _tried(run)
        ),
        f"HealingRun {where}, policy {run.spec.policy.name}.",
    ]
    return _escaped("\n".join(lines))


def _tried(run: HealingRun) -> list[StepRecord]:
    """The steps that have ended; the notice itself has not."""
    return [step for step in run.status.steps if step.outcome is not None]


def _found(run: HealingRun) -> str:
    verified = find_condition(run.status.conditions, ConditionType.VERIFIED)
    if verified is not None:
        return verified.message
    # A step that has not ended says what a person could do.
    last = run.status.steps[-1] if run.status.steps else None
    return last.message or "" if last is not None and last.outcome is None else ""


def _escaped(words: str) -> str:
    """Without links and mentions. Source: Slack's rules for escaping text."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

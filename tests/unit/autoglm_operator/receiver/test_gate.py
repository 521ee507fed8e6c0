"""Who is let in by which credential, and what others are told."""

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.requests import Request

from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.receiver.callers import Callers
from autoglm_operator.receiver.gate import Gate
from autoglm_operator.receiver.tls import ClientCertificate, ServerCertificate
from autoglm_operator.receiver.tokens import StaticTokens
from manual_clock import ManualClock

STATIC = "0123456789abcdef"


@dataclass
class FakeReviewer:
    """An API server that knows ServiceAccounts with and without the right."""

    asked: list[str] = field(default_factory=list[str])

    async def review(self, obj: Manifest) -> Manifest:
        if obj["kind"] == "SubjectAccessReview":
            return {"status": {"allowed": obj["spec"]["user"] == "sa:friend"}}
        token = obj["spec"]["token"]
        self.asked.append(token)
        user = {"username": f"sa:{token}"}
        known = token in ("friend", "stranger")
        return {"status": {"authenticated": known, "audiences": ["autoglm-receiver"], "user": user}}


@dataclass
class ShownCertificate:
    """Stands for the TLS connection."""

    certificate: ClientCertificate | None = None

    def shown(self, _: ssl.SSLObject | None) -> ClientCertificate | None:
        return self.certificate


def a_gate(
    directory: Path | None = None,
    certificate: ClientCertificate | None = None,
    names: frozenset[str] = frozenset(),
) -> tuple[Gate, FakeReviewer]:
    clock, reviewer = ManualClock(), FakeReviewer()
    gate = Gate(
        Callers(reviewer, clock, "release"),
        StaticTokens(directory, clock),
        cast("ServerCertificate", ShownCertificate(certificate)),
        names,
        "release",
    )
    return gate, reviewer


def a_request(authorization: str = "") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers})


async def answered(gate: Gate, authorization: str = "") -> tuple[int, str]:
    refused = await gate.refusal(a_request(authorization))
    if refused is None:
        return 200, ""
    body: dict[str, Any] = json.loads(bytes(refused.body))
    return refused.status_code, str(body["error"])


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(STATIC)
    return tmp_path


async def test_a_static_token_is_enough_and_goes_nowhere(tokens: Path) -> None:
    gate, reviewer = a_gate(tokens)

    assert await answered(gate, f"Bearer {STATIC}") == (200, "")
    assert reviewer.asked == []


async def test_a_service_account_is_asked_for_beside_static_tokens(tokens: Path) -> None:
    gate, reviewer = a_gate(tokens)

    assert (await answered(gate, "bearer friend"))[0] == 200
    assert (await answered(gate, "Bearer stranger"))[0] == 403
    assert reviewer.asked == ["friend", "stranger"]


async def test_nobody_is_told_the_ways_that_are_set_up(tokens: Path) -> None:
    plain, _ = a_gate()
    full, _ = a_gate(tokens, names=frozenset({"alertmanager"}))

    status, told = await answered(plain)
    assert (status, "static" in told, "certificate" in told) == (401, False, False)
    status, told = await answered(full, "Basic dXNlcjpwYXNz")
    assert (status, "static" in told, "certificate" in told) == (401, True, True)


@pytest.mark.parametrize(
    ("certificate", "status"),
    [
        (ClientCertificate(("other", "alertmanager"), current=True), 200),
        (ClientCertificate(("alertmanager",), current=False), 503),
        (ClientCertificate(("other",), current=True), 403),
        (ClientCertificate((), current=True), 403),
        (None, 401),
    ],
    ids=["allowed", "of an authority that is gone", "another name", "no name", "none"],
)
async def test_certificates(certificate: ClientCertificate | None, status: int) -> None:
    gate, _ = a_gate(certificate=certificate, names=frozenset({"alertmanager"}))

    refused = await gate.refusal(a_request())

    assert (200 if refused is None else refused.status_code) == status
    if refused is not None and status == 503:
        assert refused.headers["connection"] == "close"


async def test_a_token_counts_beside_a_certificate_that_is_not_allowed() -> None:
    shown = ClientCertificate(("other",), current=True)
    gate, _ = a_gate(certificate=shown, names=frozenset({"alertmanager"}))

    assert await answered(gate, "Bearer friend") == (200, "")
    status, told = await answered(gate)
    assert (status, told.startswith("other may not post alerts")) == (403, True)

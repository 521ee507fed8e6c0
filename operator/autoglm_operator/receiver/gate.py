"""The gate of the webhook: who calls, by certificate, static token or ServiceAccount token.

Each way is enough, and none is tried that the administrator has not set up, except ServiceAccount
tokens, which Kubernetes itself sets up. A static token is never sent anywhere.
"""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from autoglm_api import kinds
from autoglm_operator.receiver.callers import Caller, Callers, Verdict
from autoglm_operator.receiver.tls import ClientCertificate, ServerCertificate
from autoglm_operator.receiver.tokens import StaticTokens
from autoglm_operator.runtime.connections import tls_of

STATIC: Final = "the holder of a static token"


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges requests.

    Attributes:
        accounts: Judges ServiceAccount tokens.
        tokens: Static tokens.
        certificate: Knows what callers showed.
        allowed_names: Names of certificates that may post.
        namespace: Namespace of the release, where the right to post is held.
    """

    accounts: Callers
    tokens: StaticTokens
    certificate: ServerCertificate
    allowed_names: frozenset[str]
    namespace: str

    async def refusal(self, request: Request) -> Response | None:
        """The answer to a caller who may not post; None to one who may.

        Raises:
            ApiError: the API server could not be asked.
        """
        shown = self.certificate.shown(tls_of(request.scope))
        return self._answer(await self._caller(_token(request), shown))

    async def _caller(self, token: str, shown: ClientCertificate | None) -> Caller:
        if shown is not None and not self.allowed_names.isdisjoint(shown.names):
            # A sender that comes again shows its certificate to the authority in force.
            verdict = Verdict.ALLOWED if shown.current else Verdict.UNDECIDED
            return Caller(verdict, shown.names[0])
        if token and self.tokens.holds(token):
            return Caller(Verdict.ALLOWED, STATIC)
        if token:
            return await self.accounts.judge(token)
        if shown is not None:
            return Caller(Verdict.UNAUTHORISED, ", ".join(shown.names) or "a nameless certificate")
        return Caller(Verdict.UNAUTHENTICATED)

    def _answer(self, caller: Caller) -> Response | None:
        if caller.verdict is Verdict.ALLOWED:
            return None
        if caller.verdict is Verdict.UNDECIDED:
            answer = refusal(503, "You cannot be judged now: connect again and repeat this.")
            answer.headers["Connection"] = "close"
            return answer
        if caller.verdict is Verdict.UNAUTHENTICATED:
            answer = refusal(401, f"Show who you are: {', or '.join(self._ways())}.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return refusal(
            403,
            f"{caller.name} may not post alerts: allow it to create"
            f" {kinds.HEALING_RUN.plural}/alerts in namespace {self.namespace}"
            + (
                ", or add a name of its certificate to allowedNames." if self.allowed_names else "."
            ),
        )

    def _ways(self) -> list[str]:
        ways = ["send a ServiceAccount token with audience autoglm-receiver as bearer token"]
        if self.tokens.configured:
            ways.append("one of the static tokens")
        if self.allowed_names:
            ways.append("use a client certificate of the configured authority")
        return ways


def refusal(status: int, sentence: str) -> Response:
    """An answer that says why, and what to do."""
    return JSONResponse({"error": sentence}, status)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

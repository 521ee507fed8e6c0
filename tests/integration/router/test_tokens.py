"""Signed tokens in place of API keys: who is let in, who is not, and which models they may use."""

import json
from typing import Any

import httpx
import pytest

from autoglm_api.routing import Planner, RoutingDocument, Security, Upstream, key_digest
from autoglm_api.routingsecurity import AuthenticationType, TokenKey, Tokens
from autoglm_operator.decisions import jwks
from fake_upstreams import serving
from router_pods import Pod, ask
from routingtables import CLIENT_KEY, INTERNAL_TOKEN, MODEL, a_managed, a_server, an_external
from signedtokens import AUDIENCE, ISSUER, Issuer, claims, encoded, key_set

PATH = "/v1/chat/completions"
ALGORITHMS = [f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)]
ONE = Issuer("RS256")


def trusting(*keys: TokenKey, models_claim: str | None = None) -> Security:
    """Tokens of these keys are let in."""
    return Security(
        authentication=AuthenticationType.JWT,
        tokens=Tokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, models_claim=models_claim),
        client_keys=(key_digest(CLIENT_KEY),),
        internal_tokens=(INTERNAL_TOKEN,),
    )


async def route(
    pod: Pod,
    *upstreams: Upstream,
    issuers: tuple[Issuer, ...] = (ONE,),
    **fields: Any,  # noqa: ANN401
) -> RoutingDocument:
    """Bring upstreams into force that tokens of these issuers lead to."""
    claim = fields.pop("models_claim", None)
    keys = jwks.keys_of(key_set(*issuers))
    return await pod.route(*upstreams, security=trusting(*keys, models_claim=claim), **fields)


def code(reply: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return reply.status_code, reply.json()["error"]["code"]


async def asked(pod: Pod, token: str, **fields: object) -> httpx.Response:
    """The answer to one completion with a token."""
    async with pod.client(token) as client:
        return await ask(client, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_good_token_is_let_in_and_goes_no_further(pod: Pod, algorithm: str) -> None:
    issuer = Issuer(algorithm)
    async with serving("one") as (one,):
        await route(pod, an_external("one", one.port, api_key="own"), issuers=(issuer,))
        good = await asked(pod, issuer.token(aud=["other", AUDIENCE], nbf=1))
        stranger = await asked(pod, Issuer(algorithm, kid="two").token())
    assert good.status_code == 200
    assert code(stranger) == (401, "invalid_token")
    assert [request.headers["authorization"] for request in one.seen] == ["Bearer own"]


def forged(header: dict[str, object], signature: bytes = b"") -> str:
    """A token with good claims that nobody signed, or somebody else."""
    parts = (header, claims())
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(signature)}"


BAD = {
    "no token": ("", "invalid_token"),
    "an API key": (CLIENT_KEY, "invalid_token"),
    "alg none": (forged({"alg": "none", "kid": "one"}), "invalid_token"),
    "alg none with a signature": (forged({"alg": "none", "kid": "one"}, b"x"), "invalid_token"),
    "alg nOnE": (forged({"alg": "nOnE"}, b"x"), "invalid_token"),
    "an unknown algorithm": (forged({"alg": "EdDSA", "kid": "one"}, b"x"), "invalid_token"),
    "a public key as a secret": (ONE.token({"alg": "HS256"}), "invalid_token"),
    "another algorithm than signed": (ONE.token({"alg": "RS512"}), "invalid_token"),
    "an unknown kid": (ONE.token({"kid": "two"}), "invalid_token"),
    "an extension": (ONE.token({"crit": ["b64"], "b64": False}), "invalid_token"),
    "no signature": (ONE.token().rpartition(".")[0], "invalid_token"),
    "an empty signature": (ONE.token().rpartition(".")[0] + ".", "invalid_token"),
    "half a signature": (ONE.token()[:-20], "invalid_token"),
    "more parts": (ONE.token() + ".x", "invalid_token"),
    "other claims": (
        ".".join((ONE.token().split(".")[0], *ONE.token(sub="else").split(".")[1:2], "AAAA")),
        "invalid_token",
    ),
    "another issuer": (ONE.token(iss=ISSUER + "2"), "invalid_token"),
    "no issuer": (ONE.token(iss=None), "invalid_token"),
    "another audience": (ONE.token(aud="other"), "invalid_token"),
    "other audiences": (ONE.token(aud=["other", AUDIENCE + "x"]), "invalid_token"),
    "no audience": (ONE.token(aud=None), "invalid_token"),
    "expired": (ONE.token(exp=1_700_000_000), "token_expired"),
    "no expiry": (ONE.token(exp=None), "token_expired"),
    "an expiry that is no number": (ONE.token(exp="soon"), "token_expired"),
    "an expiry beyond numbers": (ONE.token(exp=2**70), "token_expired"),
    "not yet valid": (ONE.token(nbf=claims()["exp"]), "token_expired"),
}


async def test_bad_tokens_are_refused_and_nothing_else_is_disturbed(pod: Pod) -> None:
    async with serving("one") as (one,):
        await route(pod, a_managed("one", one.port))
        found = {name: code(await asked(pod, token)) for name, (token, _) in BAD.items()}
        good = await asked(pod, ONE.token())
    assert found == {name: (401, wanted) for name, (_, wanted) in BAD.items()}
    assert good.status_code == 200
    assert len(one.seen) == 1


async def test_a_token_without_a_kid_is_tried_with_every_key(pod: Pod) -> None:
    issuers = (Issuer("ES256", kid="a"), Issuer("HS256", kid="b"), ONE)
    async with serving("one") as (one,):
        await route(pod, a_managed("one", one.port), issuers=issuers)
        named = [(await asked(pod, each.token())).status_code for each in issuers]
        nameless = [(await asked(pod, each.token({"kid": None}))).status_code for each in issuers]
    assert named == nameless == [200] * 3


async def test_keys_are_changed_without_losing_a_request(pod: Pod) -> None:
    new = Issuer("RS256", kid="new")
    async with serving("one") as (one,), pod.client(ONE.token()) as client:
        upstream = a_managed("one", one.port)
        await route(pod, upstream)
        codes = [(await ask(client)).status_code for _ in range(20)]
        await route(pod, upstream, issuers=(ONE, new))
        codes += [(await ask(client)).status_code for _ in range(20)]
        codes += [(await asked(pod, new.token())).status_code for _ in range(20)]
        await route(pod, upstream, issuers=(new,))
        codes += [(await asked(pod, new.token())).status_code for _ in range(20)]
        gone = await asked(pod, ONE.token())
    assert codes == [200] * 80
    assert code(gone) == (401, "invalid_token")


async def test_without_keys_nobody_is_let_in(pod: Pod) -> None:
    async with serving("one") as (one,):
        await pod.route(a_managed("one", one.port), security=trusting())
        assert code(await asked(pod, ONE.token())) == (401, "invalid_token")


@pytest.mark.parametrize("filler", ["short", "x" * 200_000])
async def test_a_claim_says_which_models_its_owner_may_use(pod: Pod, filler: str) -> None:
    async with serving("one", "two") as (one, two):
        await route(
            pod,
            a_managed("one", one.port),
            a_managed("two", two.port, model="dear"),
            models_claim="models",
        )
        limited = ONE.token(models=["other", MODEL])
        fields = {"messages": filler}
        own = await asked(pod, limited, **fields)
        dear = await asked(pod, limited, model="dear", **fields)
        named = await asked(pod, limited, model="dear", headers={"x-model": MODEL}, **fields)
        spoofed = encoded(json.dumps({"models": ["dear"]}).encode())
        lie = {"x-autoglm-lane-claims": spoofed}
        spoof = await asked(pod, limited, model="dear", headers=lie, **fields)
        unknown = await asked(pod, limited, model="unknown", **fields)
        listless = [
            await asked(pod, ONE.token(models=models), **fields)
            for models in (None, [], MODEL, {"0": MODEL}, [[MODEL]])
        ]
    assert own.status_code == 200
    assert code(dear) == code(spoof) == (403, "model_not_allowed")
    assert code(named) == (400, "model_mismatch")
    assert code(unknown) == (404, "model_not_found")
    assert {code(each) for each in listless} == {(403, "model_not_allowed")}
    assert two.seen == []
    assert len(one.seen) == 1
    assert not [name for name in one.seen[0].headers if "lane" in name]


async def test_the_claim_holds_for_websockets_too(pod: Pod) -> None:
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}
    upgrade = {"connection": "upgrade", "upgrade": "websocket", **key}
    async with serving("one", "two") as (one, two):
        await route(
            pod,
            a_managed("one", one.port),
            a_managed("two", two.port, model="dear"),
            models_claim="models",
        )
        async with pod.client(ONE.token(models=[MODEL])) as client:
            own = await client.get(f"/v1/realtime?model={MODEL}", headers=upgrade)
            dear = await client.get("/v1/realtime?model=dear", headers=upgrade)
    assert own.status_code == 200
    assert code(dear) == (403, "model_not_allowed")
    assert two.seen == []


async def test_tasks_need_the_planners_model_in_the_claim(pod: Pod) -> None:
    async with serving("planner") as (planner,):
        await route(
            pod,
            planner=Planner(models=("autoglm",), servers=(a_server(planner.port),)),
            models_claim="models",
        )
        async with pod.client(ONE.token(models=["autoglm"])) as client:
            taken = await client.post("/v1/tasks", json={})
        async with pod.client(ONE.token(models=[MODEL])) as client:
            refused = await client.post("/v1/tasks", json={})
            run = await client.get("/v1/runs/1")
    assert taken.status_code == 200
    assert code(refused) == code(run) == (403, "model_not_allowed")


async def test_nobody_has_to_prove_anything_where_that_is_said(pod: Pod) -> None:
    open_to_all = Security(
        authentication=AuthenticationType.NONE, internal_tokens=(INTERNAL_TOKEN,)
    )
    async with serving("one") as (one,), pod.internal("") as inside:
        await pod.route(an_external("one", one.port), security=open_to_all)
        replies = [await asked(pod, key) for key in ("", "anything")]
        internal = await ask(inside)
    assert [reply.status_code for reply in replies] == [200, 200]
    assert internal.status_code == 401
    assert not any("authorization" in request.headers for request in one.seen)


async def test_the_owner_of_a_token_can_be_told_in_the_log(pod: Pod) -> None:
    async with serving("one") as (one,):
        await route(pod, a_managed("one", one.port))
        token = ONE.token(sub="a-person")
        reply = await asked(pod, token)
    line = next(
        json.loads(line)
        for line in pod.log().splitlines()
        if line.startswith("{") and reply.headers["x-request-id"] in line
    )
    assert line["caller"] == key_digest("a-person")[:8]
    assert not any(part in pod.log() for part in ("a-person", *token.split(".")[1:]))

"""Every external endpoint gets its own key, host and path, and nobody else's."""

import ssl
from pathlib import Path

import pytest

from autoglm_api.routing import EndpointSafety, Scheme, Upstream
from certificates import an_authority
from fake_upstreams import says, serving
from router_pods import Pod, ask, ask_many
from routingtables import a_managed, an_external


async def test_keys_never_mix_even_when_a_request_is_sent_again(pod: Pod) -> None:
    async with serving("a", "b", "c") as upstreams, pod.client() as client:
        a, b, c = upstreams
        a.reply = says(429)
        await pod.route(
            an_external("a", a.port, path="/one", api_key="key-a"),
            an_external("b", b.port, path="/two", api_key="key-b"),
            an_external("c", c.port, path=""),
        )
        replies = await ask_many(client, 30)
    assert {reply.status_code for reply in replies} == {200}
    for upstream, key, path in ((a, "Bearer key-a", "/one"), (b, "Bearer key-b", "/two")):
        assert {seen.headers["authorization"] for seen in upstream.seen} == {key}
        assert {seen.path for seen in upstream.seen} == {f"{path}/chat/completions"}
        assert {seen.headers["host"] for seen in upstream.seen} == {f"127.0.0.1:{upstream.port}"}
    assert not any("authorization" in seen.headers for seen in c.seen)
    assert {seen.path for seen in c.seen} == {"/chat/completions"}
    assert not any("x-forwarded-for" in seen.headers for seen in a.seen + b.seen + c.seen)


async def test_a_managed_endpoint_never_sees_the_clients_key(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        await ask(client)
    assert "authorization" not in one.seen[0].headers


async def test_a_new_key_needs_no_reload(pod: Pod) -> None:
    strange = r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"""
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(an_external("one", one.port, api_key="old"))
        worker = await pod.worker()
        await ask(client)
        await pod.route(an_external("one", one.port, api_key=strange))
        await ask(client)
        assert await pod.worker() == worker
    assert [seen.headers["authorization"] for seen in one.seen] == [
        "Bearer old",
        f"Bearer {strange}",
    ]


async def test_an_address_that_is_not_allowed_is_never_connected_to(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(an_external("one", one.port), endpoint_safety=EndpointSafety())
        reply = await ask(client)
        assert pod.agent.unresolved() == {"one": "its name leads to a loopback address"}
    assert reply.status_code == 503
    assert one.seen == []
    assert one.probes == []


async def test_checks_certificate_and_name_of_a_tls_endpoint(pod: Pod, tmp_path: Path) -> None:
    authority = an_authority(tmp_path, "models.example.com")
    pod.names = {"models.example.com": ("127.0.0.1",), "other.example.com": ("127.0.0.1",)}
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority.certificate, authority.key)

    def behind(host: str, ca: str) -> Upstream:
        return an_external("one", one.port, host=host, scheme=Scheme.HTTPS, ca=ca, api_key="k")

    async def status() -> int:
        # A connection that was idle at the reload gets one more reply by the old table.
        async with pod.client() as client:
            return (await ask(client)).status_code

    async with serving("one", tls=tls) as (one,):
        await pod.route(behind("models.example.com", authority.bundle))
        assert await status() == 200
        seen = len(one.seen)
        await pod.route(behind("other.example.com", authority.bundle))
        assert await status() == 503
        stranger = an_authority(tmp_path, "models.example.com").bundle
        await pod.route(behind("models.example.com", stranger))
        assert await status() == 503
    assert len(one.seen) == seen
    assert one.seen[0].headers["host"] == f"models.example.com:{one.port}"


async def test_a_tls_endpoint_that_is_found_later_needs_no_reload(pod: Pod, tmp_path: Path) -> None:
    authority = an_authority(tmp_path, "models.example.com")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority.certificate, authority.key)
    async with serving("one", tls=tls) as (one,), pod.client() as client:
        await pod.route(
            an_external(
                "one",
                one.port,
                host="models.example.com",
                scheme=Scheme.HTTPS,
                ca=authority.bundle,
            )
        )
        worker = await pod.worker()
        assert (await ask(client)).status_code == 503
        pod.names = {"models.example.com": ("127.0.0.1",)}
        await pod.agent.look(resolve=True)
        assert (await ask(client)).status_code == 200
        assert await pod.worker() == worker


@pytest.mark.parametrize("gone", [False, True])
async def test_follows_a_name_whose_address_changes(pod: Pod, gone: bool) -> None:
    async with serving("one") as (one,), pod.client() as client:
        pod.names = {"models.example.com": ("127.0.0.9",)}
        await pod.route(an_external("one", one.port, host="models.example.com"))
        worker = await pod.worker()
        assert (await ask(client)).status_code == 503
        pod.names = {"models.example.com": ("127.0.0.1",)}
        await pod.agent.look(resolve=True)
        if gone:
            pod.names = {}
            await pod.agent.look(resolve=True)
        assert (await ask(client)).status_code == 200
        assert await pod.worker() == worker

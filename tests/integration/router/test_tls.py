"""TLS to clients, and endpoints whose certificates have a name of their own."""

import ssl
from pathlib import Path

import httpx
import pytest

from autoglm_api.routing import Listener, RoutingDocument, Scheme
from autoglm_operator.decisions.access import certificate_of
from certificates import Authority, an_authority
from fake_upstreams import serving
from router_pods import Pod, ask
from routingtables import CLIENT_KEY, a_managed, an_external

HOST = "router.example.com"


async def encrypted(pod: Pod, authority: Authority, port: int) -> RoutingDocument:
    """Bring a certificate into force."""
    found = certificate_of(authority.certificate.read_bytes(), authority.key.read_bytes())
    return await pod.route(a_managed("one", port), listener=Listener(certificate=found))


def client(pod: Pod, authority: Authority, key: str = CLIENT_KEY) -> httpx.AsyncClient:
    """A client that trusts an authority and knows the router by its name."""
    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{pod.where.ports.clients}",
        headers={"authorization": f"Bearer {key}", "host": HOST},
        verify=ssl.create_default_context(cadata=authority.bundle),
        trust_env=False,
    )


async def asked(pod: Pod, authority: Authority, host: str = HOST) -> int:
    """The status of a completion on a new connection."""
    async with client(pod, authority) as one:
        request = one.build_request(
            "POST",
            "/v1/chat/completions",
            json={"model": "glm-test"},
            extensions={"sni_hostname": host},
        )
        return (await one.send(request)).status_code


async def test_clients_speak_tls_and_nothing_else(pod: Pod, tmp_path: Path) -> None:
    authority = an_authority(tmp_path, HOST)
    async with serving("one") as (one,):
        await encrypted(pod, authority, one.port)
        assert await asked(pod, authority) == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asked(pod, an_authority(tmp_path, HOST))
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asked(pod, authority, host="other.example.com")
        async with pod.client() as plain:
            with pytest.raises(httpx.TransportError):
                await ask(plain)
        async with pod.internal() as inside:
            assert (await ask(inside)).status_code == 200
    assert len(one.seen) == 2


async def test_a_renewed_certificate_is_served_without_a_lost_request(
    pod: Pod, tmp_path: Path
) -> None:
    before = an_authority(tmp_path, HOST)
    async with serving("one") as (one,):
        await encrypted(pod, before, one.port)
        codes = [await asked(pod, before) for _ in range(5)]
        after = an_authority(tmp_path, HOST)
        await encrypted(pod, after, one.port)
        codes += [await asked(pod, after) for _ in range(5)]
    assert codes == [200] * 10
    assert len(list((pod.directory / "run").glob("tls-*.pem"))) == 1


async def test_a_certificate_is_readable_by_its_owner_alone(pod: Pod, tmp_path: Path) -> None:
    async with serving("one") as (one,):
        await encrypted(pod, an_authority(tmp_path, HOST), one.port)
        (file,) = (pod.directory / "run").glob("tls-*.pem")
        assert file.stat().st_mode & 0o777 == 0o600
        await pod.route(a_managed("one", one.port))
        assert not file.exists()
        async with pod.client() as plain:
            assert (await ask(plain)).status_code == 200


async def test_an_endpoints_certificate_may_have_a_name_of_its_own(
    pod: Pod, tmp_path: Path
) -> None:
    authority = an_authority(tmp_path, "inner.example.com")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority.certificate, authority.key)
    asked_for: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    pod.names = {"outer.example.com": ("127.0.0.1",)}
    async with serving("one", tls=tls) as (one,):
        for name in ("inner.example.com", "other.example.com", None):
            await pod.route(
                an_external(
                    "one",
                    one.port,
                    host="outer.example.com",
                    scheme=Scheme.HTTPS,
                    ca=authority.bundle,
                    server_name=name,
                )
            )
            async with pod.client() as sender:
                status = (await ask(sender)).status_code
            assert status == (200 if name == "inner.example.com" else 503)
    assert [each.headers["host"] for each in one.seen] == [f"outer.example.com:{one.port}"]
    assert {"inner.example.com", "other.example.com", "outer.example.com"} <= set(asked_for)

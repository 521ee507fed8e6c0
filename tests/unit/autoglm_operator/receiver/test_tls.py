"""The webhook's certificate and its callers', over connections in memory."""

import asyncio
import ssl
from pathlib import Path

import pytest

from autoglm_operator.receiver.tls import LOOK_SECONDS, ServerCertificate
from client_certificates import ClientAuthority, a_client_authority
from healing_objects import Trust
from manual_clock import ManualClock, settle

CALLER = "alertmanager.monitoring"


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust.made(tmp_path / "tls")


def authority_file(tmp_path: Path, *authorities: ClientAuthority) -> Path:
    file = tmp_path / "callers.crt"
    file.write_bytes(b"".join(each.pem for each in authorities))
    return file


def connected(
    server: ServerCertificate, trust: Trust, shown: tuple[Path, Path] | None = None
) -> ssl.SSLObject:
    """Shake hands in memory and return the server's side.

    Raises:
        ssl.SSLError: one side refused the other.
    """
    context = ssl.create_default_context(cafile=str(trust.authority))
    if shown is not None:
        context.load_cert_chain(*shown)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.context.wrap_bio(there, back, server_side=True)
    theirs = context.wrap_bio(back, there, server_hostname="localhost")
    waiting = [theirs, ours]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return ours


def test_a_caller_is_known_by_its_names(tmp_path: Path, trust: Trust) -> None:
    authority = a_client_authority()
    server = ServerCertificate(trust.directory, authority_file(tmp_path, authority))
    shown = authority.write(tmp_path, CALLER, uri="spiffe://cluster/alertmanager")

    caller = server.shown(connected(server, trust, shown))

    assert caller is not None
    assert caller.current
    assert caller.names == (CALLER, CALLER, "spiffe://cluster/alertmanager")


def test_a_caller_may_show_nothing(tmp_path: Path, trust: Trust) -> None:
    server = ServerCertificate(trust.directory, authority_file(tmp_path, a_client_authority()))

    assert server.shown(connected(server, trust)) is None
    assert server.shown(None) is None


def test_a_certificate_is_not_asked_for_without_an_authority(tmp_path: Path, trust: Trust) -> None:
    server = ServerCertificate(trust.directory)

    shown = a_client_authority().write(tmp_path, CALLER)

    assert server.shown(connected(server, trust, shown)) is None


def test_a_stranger_s_certificate_ends_the_connection(tmp_path: Path, trust: Trust) -> None:
    server = ServerCertificate(trust.directory, authority_file(tmp_path, a_client_authority()))
    forged = a_client_authority().write(tmp_path, CALLER)

    with pytest.raises(ssl.SSLError):
        connected(server, trust, forged)


def test_a_server_s_certificate_is_no_caller_s(tmp_path: Path, trust: Trust) -> None:
    other = Trust.made(tmp_path / "other")
    server = ServerCertificate(trust.directory, other.authority)
    shown = other.directory / "tls.crt", other.directory / "tls.key"

    with pytest.raises(ssl.SSLError):
        connected(server, trust, shown)


def test_an_authority_that_is_gone_lets_nobody_in_and_is_told_of_the_others(
    tmp_path: Path, trust: Trust
) -> None:
    old, new = a_client_authority("old"), a_client_authority("new")
    server = ServerCertificate(trust.directory, authority_file(tmp_path, old))
    shown = old.write(tmp_path, CALLER)
    before = connected(server, trust, shown)

    authority_file(tmp_path, old, new)
    assert server.reload()
    between = connected(server, trust, shown)
    authority_file(tmp_path, new)
    assert server.reload()

    currents = [server.shown(each) for each in (before, between)]
    assert [each.current for each in currents if each is not None] == [False, False]
    with pytest.raises(ssl.SSLError):
        connected(server, trust, shown)
    assert connected(server, trust, new.write(tmp_path, CALLER))


async def test_a_renewed_certificate_is_followed_and_half_of_one_is_not(
    tmp_path: Path, trust: Trust
) -> None:
    clock = ManualClock()
    server = ServerCertificate(trust.directory)
    following = asyncio.ensure_future(server.follow(clock))
    await settle()
    renewed = Trust.made(tmp_path / "renewed")
    (trust.directory / "tls.crt").write_bytes((renewed.directory / "tls.crt").read_bytes())

    await clock.advance(LOOK_SECONDS)
    assert connected(server, trust)
    (trust.directory / "tls.key").write_bytes((renewed.directory / "tls.key").read_bytes())
    await clock.advance(LOOK_SECONDS)
    following.cancel()

    assert connected(server, renewed)
    with pytest.raises(ssl.SSLError):
        connected(server, Trust.made(tmp_path / "third"))


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff"])
def test_an_authority_that_is_none_is_refused(tmp_path: Path, trust: Trust, content: bytes) -> None:
    file = tmp_path / "callers.crt"
    file.write_bytes(content)

    with pytest.raises(OSError, match="client authority is no PEM certificate"):
        ServerCertificate(trust.directory, file)

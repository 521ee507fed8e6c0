import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.certificates import KeyPair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "router.demo.team-a"


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return certificates.new_authority("test", NOW)


def test_an_issued_certificate_is_fresh_for_sixty_days(authority: KeyPair) -> None:
    pair = certificates.issue(authority, NAME, NOW)
    assert not certificates.needs_issue(pair, authority, NAME, NOW)
    assert not certificates.needs_issue(pair, authority, NAME, NOW + timedelta(days=59))
    assert certificates.needs_issue(pair, authority, NAME, NOW + timedelta(days=60))
    parsed = x509.load_pem_x509_certificate(pair.certificate)
    assert parsed.not_valid_after_utc == NOW + timedelta(days=90)


def test_what_cannot_be_used_is_issued_anew(authority: KeyPair) -> None:
    pair = certificates.issue(authority, NAME, NOW)
    other = certificates.new_authority("other", NOW)
    stranger = certificates.issue(authority, NAME, NOW)
    assert certificates.needs_issue(KeyPair(b"", b""), authority, NAME, NOW)
    assert certificates.needs_issue(pair, other, NAME, NOW)
    assert certificates.needs_issue(pair, authority, "router.other.team-a", NOW)
    assert certificates.needs_issue(KeyPair(pair.certificate, stranger.key), authority, NAME, NOW)


def test_an_authority_is_used_while_it_outlives_what_it_signs(authority: KeyPair) -> None:
    assert certificates.is_authority(authority, NOW)
    assert not certificates.is_authority(authority, NOW + timedelta(days=3600))
    assert not certificates.is_authority(KeyPair(b"x", b"y"), NOW)
    ssl.create_default_context(cadata=authority.certificate.decode())


def test_keys_do_not_show_in_text(authority: KeyPair) -> None:
    assert "PRIVATE" not in repr(authority)

import json
from typing import Any

import pytest

from autoglm_api.routing import (
    MAX_DOCUMENT_BYTES,
    RoutingDocumentError,
    RoutingTable,
    RoutingTooLargeError,
    Security,
    decode,
    encode,
    key_digest,
    seal,
)
from autoglm_api.routingsecurity import Algorithm, TokenKey
from autoglm_api.routingvalues import certificates_in
from routingtables import MODEL, a_document, a_managed, a_server, a_table, an_external

PUBLIC = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def changed(*path: str | int, value: object) -> bytes:
    """A document of two upstreams in which one value is another; its hash is not adapted."""
    upstreams = [a_managed("one", 80), an_external("two", 443, api_key="secret-key")]
    values = json.loads(encode(a_document(upstreams)))
    holder: Any = values
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return json.dumps(values).encode()


def test_what_is_written_can_be_read() -> None:
    document = a_document([a_managed("one", 80), an_external("two", 443, ca=None)], version=7)
    assert decode(encode(document)) == document
    assert document.version == 7


def test_the_hash_is_of_the_content_and_of_nothing_else() -> None:
    one, same = a_document([a_managed("one", 80)]), a_document([a_managed("one", 80)])
    other = a_document([a_managed("one", 80, weight=2)])
    assert one.hash == same.hash
    assert one.hash != other.hash
    assert seal(one.table(), 2).hash != one.hash


def test_a_table_can_be_compared_without_its_version() -> None:
    table = a_table([a_managed("one", 80)])
    assert seal(table, 1).table() == seal(table, 2).table() == table


def test_a_default_that_is_left_out_changes_nothing() -> None:
    values = json.loads(encode(a_document()))
    del values["breaker"]
    assert decode(json.dumps(values).encode()) == a_document()


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "should be an object"),
        (changed("version", value=2), "the hash is not that of the content"),
        (changed("hash", value="0" * 64), "the hash is not that of the content"),
        (changed("unknown", value=1), "unknown: Extra inputs are not permitted"),
        (changed("upstreams", 0, "weight", value=0), "upstreams.0.weight"),
        (changed("upstreams", 0, "name", value="two"), "an upstream name is listed twice"),
        (changed("upstreams", 0, "name", value="a\nb"), "upstreams.0.name"),
        (changed("upstreams", 0, "model", value="other"), "must be listed in models"),
        (changed("upstreams", 0, "servers", value=[]), "either servers or an external endpoint"),
        (changed("upstreams", 0, "endpointModel", value=MODEL), "has no other name"),
        (changed("upstreams", 0, "endpointModel", value="a b"), "upstreams.0.endpointModel"),
        (changed("security", "authentication", value="JWT"), "go with JWT"),
        (changed("models", value=[MODEL, MODEL]), "a model name is listed twice"),
        (changed("planner", "models", value=[MODEL]), "a model name is listed twice"),
        (changed("endpointSafety", "deniedCidrs", value=["10.0.0.0/33"]), "deniedCidrs"),
        (b"x" * (MAX_DOCUMENT_BYTES + 1), "more than 921600 bytes"),
    ],
)
def test_a_bad_document_is_refused_with_a_sentence(document: bytes, sentence: str) -> None:
    with pytest.raises(RoutingDocumentError, match=sentence):
        decode(document)


def test_a_refusal_never_quotes_a_key() -> None:
    with pytest.raises(RoutingDocumentError) as caught:
        decode(changed("upstreams", 1, "external", "apiKey", value="secret key"))
    assert "secret" not in str(caught.value)
    assert "secret-key" not in repr(a_document([an_external("two", 443, api_key="secret-key")]))


def test_ten_thousand_upstreams_are_refused() -> None:
    upstreams = [json.loads(a_managed(f"u{number}", 80).model_dump_json()) for number in range(300)]
    with pytest.raises(ValueError, match="upstreams"):
        RoutingTable.model_validate({**dict(a_table()), "upstreams": upstreams})


def test_a_document_that_no_secret_can_hold_is_refused() -> None:
    bundle = CA * (60_000 // len(CA))
    upstreams = [
        an_external(f"u{number}", 443, host="a.example", scheme="https", ca=bundle)
        for number in range(20)
    ]
    with pytest.raises(RoutingTooLargeError):
        encode(a_document(upstreams))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"scheme": "https", "host": "203.0.113.7"}, "needs a host name"),
        ({"scheme": "http", "ca": CA}, "no use for an http endpoint"),
        ({"scheme": "http", "server_name": "a.example"}, "no use for an http endpoint"),
        ({"scheme": "https", "server_name": "203.0.113.7"}, "needs a host name"),
        ({"scheme": "https", "server_name": "a example"}, "server_name|serverName"),
        ({"path": "/v1/"}, "path"),
        ({"path": "v1"}, "path"),
        ({"host": "EXAMPLE.com"}, "host"),
        ({"host": "a..b"}, "host"),
        ({"api_key": "two words"}, "api_key|apiKey"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        an_external("one", 443, **fields)


def test_an_endpoint_may_be_an_address_if_its_certificate_has_a_name() -> None:
    found = an_external("one", 443, scheme="https", server_name="a.example").external
    assert found is not None
    assert (found.host, found.server_name) == ("127.0.0.1", "a.example")


@pytest.mark.parametrize(
    "fields",
    [
        {"algorithms": ["RS256"]},
        {"algorithms": ["RS256"], "secret": "AAAA"},
        {"algorithms": ["RS256", "HS256"], "public_key": PUBLIC},
        {"algorithms": ["HS256"], "public_key": PUBLIC},
        {"algorithms": ["HS256"], "public_key": PUBLIC, "secret": "AAAA"},
        {"algorithms": [], "public_key": PUBLIC},
        {"algorithms": ["none"], "public_key": PUBLIC},
    ],
)
def test_a_key_of_tokens_is_of_one_kind(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"key|algorithms"):
        TokenKey.model_validate(fields)


def test_keys_are_not_shown() -> None:
    key = TokenKey(algorithms=(Algorithm.HS256,), secret="c2VjcmV0")  # noqa: S106
    assert "c2VjcmV0" not in repr(key)


def test_two_pods_cannot_have_one_uid() -> None:
    with pytest.raises(ValueError, match="the same uid"):
        a_managed("one", servers=(a_server(80, uid="0" * 8), a_server(81, uid="0" * 8)))


def test_client_keys_are_held_as_digests() -> None:
    document = a_document(security=Security(client_keys=(key_digest("sk-one"),)))
    assert b"sk-one" not in encode(document)


def test_certificates_are_taken_out_of_what_people_write() -> None:
    long = "A" * 100
    written = f"# who\r\n{CA}text\n-----BEGIN CERTIFICATE-----\n{long}\n-----END CERTIFICATE-----"
    found = certificates_in(written)
    assert found is not None
    assert found.startswith(CA)
    assert found.count("BEGIN") == 2
    assert max(map(len, found.splitlines())) == 64
    assert certificates_in("nothing") is None

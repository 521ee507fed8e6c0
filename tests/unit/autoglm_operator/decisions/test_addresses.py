from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_operator.decisions import addresses
from autoglm_operator.decisions.addresses import Safety, Target

OPEN = Safety()


def test_takes_a_url_apart() -> None:
    assert addresses.parse("https://Models.example.com/api/v4/") == Target(
        "https", "models.example.com", 443, "/api/v4"
    )
    assert addresses.parse("http://h:8000").port == 8000


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://h/v1", "http://"),
        ("http:///v1", "name a host"),
        ("http://u:p@h/v1", "Secret"),
        ("http://h/v1?x=1", "'?'"),
        ("http://h/v1#x", "'?'"),
        ("http://h:99999/v1", "cannot be read"),
    ],
)
def test_refuses_urls_with_a_sentence(url: str, word: str) -> None:
    with pytest.raises(addresses.UrlRefusedError, match=r"^baseURL") as refused:
        addresses.parse(url)
    assert word in str(refused.value)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - judged, not bound
        ("::", "unspecified"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("240.0.0.1", "reserved"),
    ],
)
def test_refuses_addresses_that_lead_nowhere_good(address: str, kind: str) -> None:
    problem = addresses.address_problem(ip_address(address), OPEN)
    assert problem is not None
    assert kind in problem


@pytest.mark.parametrize("address", ["10.1.2.3", "93.184.216.34", "2606:4700::1111"])
def test_lets_ordinary_addresses_pass(address: str) -> None:
    assert addresses.address_problem(ip_address(address), OPEN) is None


def test_the_administrator_refuses_and_allows() -> None:
    ten = (ip_network("10.0.0.0/8"),)
    address = ip_address("10.1.2.3")
    assert "administrator" in str(addresses.address_problem(address, Safety(denied=ten)))
    assert addresses.address_problem(address, Safety(denied=ten, allowed=ten)) is None
    assert addresses.address_problem(ip_address("fd12::1"), Safety(denied=ten)) is None
    loopback = Safety(allowed=(ip_network("127.0.0.0/8"),))
    assert addresses.address_problem(ip_address("127.0.0.1"), loopback) is None


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_judged_as_what_it_is(address: object) -> None:
    plain = ip_address(str(address))
    mapped = ip_address(f"::ffff:{plain}")
    assert addresses.address_problem(plain, OPEN) == addresses.address_problem(mapped, OPEN)


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("localhost", "this machine"),
        ("a.localhost", "this machine"),
        ("kubernetes", "API server"),
        ("kubernetes.default.svc", "API server"),
        ("kubernetes.default.svc.cluster.local.", "API server"),
        ("models.other.svc", "namespace other"),
        ("pod.models.other.svc.cluster.local", "namespace other"),
    ],
)
def test_refuses_names(host: str, word: str) -> None:
    assert word in str(addresses.name_problem(host, "mine", OPEN))


@pytest.mark.parametrize("host", ["models.mine.svc", "models.example.com", "models"])
def test_lets_names_pass(host: str) -> None:
    assert addresses.name_problem(host, "mine", OPEN) is None


def test_an_allowed_namespace_may_be_named() -> None:
    safety = Safety(allowed_namespaces=("other",))
    assert addresses.name_problem("models.other.svc", "mine", safety) is None


def test_tells_addresses_from_names() -> None:
    assert addresses.literal("10.0.0.1") == ip_address("10.0.0.1")
    assert addresses.literal("models") is None

"""One rule for addresses, and both planes follow it."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.endpointsafety import refusal
from autoglm_api.routing import EndpointSafety
from autoglm_dataplane.router_agent import pins
from autoglm_operator.decisions import addresses
from autoglm_operator.decisions.addresses import Safety
from routingtables import a_document, an_external

DENIED = "10.96.0.0/12"
VERDICTS = [
    ("127.0.0.1", "a loopback address"),
    ("127.9.9.9", "a loopback address"),
    ("::1", "a loopback address"),
    ("::ffff:127.0.0.1", "a loopback address"),
    ("64:ff9b::7f00:1", "a loopback address"),
    ("2002:7f00:1::", "a loopback address"),
    ("0.0.0.0", "an unspecified address"),  # noqa: S104 - it is refused
    ("::", "an unspecified address"),
    ("::ffff:0.0.0.0", "an unspecified address"),
    ("169.254.169.254", "a metadata address"),
    ("::ffff:169.254.169.254", "a metadata address"),
    ("64:ff9b::a9fe:a9fe", "a metadata address"),
    ("2002:a9fe:a9fe::", "a metadata address"),
    ("fd00:ec2::254", "a metadata address"),
    ("fd00:ec2::23", "a metadata address"),
    ("fd20:ce::254", "a metadata address"),
    ("100.100.100.200", "a metadata address"),
    ("168.63.129.16", "a metadata address"),
    ("192.0.0.192", "a metadata address"),
    ("169.254.170.2", "a link-local address"),
    ("fe80::1", "a link-local address"),
    ("224.0.0.1", "a multicast address"),
    ("ff02::1", "a multicast address"),
    ("255.255.255.255", "a reserved address"),
    ("240.0.0.1", "a reserved address"),
    ("64:ff9b::f000:1", "a reserved address"),
    ("::127.0.0.1", "a reserved address"),
    ("64:ff9b:1::7f00:1", "a reserved address"),
    ("10.96.0.1", "an address in a denied range"),
    ("::ffff:10.96.0.1", "an address in a denied range"),
    ("64:ff9b::a60:1", "an address in a denied range"),
    ("10.1.2.3", None),
    ("::ffff:10.1.2.3", None),
    ("64:ff9b::a01:203", None),
    ("203.0.113.7", None),
    ("2001:db8::1", None),
    ("fd12::1", None),
]


def the_agent_pins(address: str, rules: EndpointSafety) -> bool:
    document = a_document(
        [an_external("one", 443, host="a.example")],
        endpoint_safety=rules,
    )
    return bool(pins.safe(document, {"a.example": (address,)})["one"])


def the_operator_probes(address: str, safety: Safety) -> bool:
    return addresses.address_problem(ip_address(address), safety) is None


@pytest.mark.parametrize(("address", "reason"), VERDICTS)
def test_judges_addresses(address: str, reason: str | None) -> None:
    assert refusal(address, denied=(DENIED,)) == reason


@pytest.mark.parametrize(("address", "reason"), VERDICTS)
def test_both_planes_give_the_same_verdict(address: str, reason: str | None) -> None:
    told = Safety(denied=(ip_network(DENIED),))
    assert the_operator_probes(address, told) is (reason is None)
    assert the_agent_pins(address, EndpointSafety(denied_cidrs=(DENIED,))) is (reason is None)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_both_planes_believe_the_administrator_who_allows_an_address(address: str) -> None:
    allowed = "127.0.0.1/32"
    assert the_operator_probes(address, Safety(allowed=(ip_network(allowed),)))
    assert the_agent_pins(address, EndpointSafety(allowed_addresses=(allowed,)))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_the_planes_agree_on_any_address(address: object) -> None:
    text = str(address)
    assert the_operator_probes(text, Safety()) is the_agent_pins(text, EndpointSafety())


def test_what_is_allowed_by_name_is_allowed() -> None:
    allowed = ("127.0.0.1/32", "10.96.0.7/32")
    assert refusal("127.0.0.1", allowed=allowed) is None
    assert refusal("127.0.0.2", allowed=allowed) == "a loopback address"
    assert refusal("10.96.0.7", denied=("10.0.0.0/8",), allowed=allowed) is None


@pytest.mark.parametrize("written", ["2002::/16", "64:ff9b::/96"])
def test_a_denied_range_of_wrapped_addresses_is_denied(written: str) -> None:
    address = {"2002::/16": "2002:a01:203::", "64:ff9b::/96": "64:ff9b::a01:203"}[written]
    assert refusal(address) is None
    assert refusal(address, denied=(written,)) == "an address in a denied range"

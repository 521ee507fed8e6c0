from collections.abc import Mapping

from autoglm_api.routing import EndpointSafety
from autoglm_dataplane.router_agent.pins import MAX_ADDRESSES, Pins, Resolve, safe, unusable
from routingtables import a_document, an_external

NOTHING_ALLOWED = EndpointSafety()


def names(answers: Mapping[str, tuple[str, ...]]) -> Resolve:
    """A name server that says this."""

    async def resolve(host: str) -> tuple[str, ...]:
        if host not in answers:
            raise OSError("no such name")
        return answers[host]

    return resolve


async def test_unsafe_addresses_are_left_out() -> None:
    document = a_document(
        [an_external("one", 443, host="a.example")], endpoint_safety=NOTHING_ALLOWED
    )
    pins = Pins(names({"a.example": ("203.0.113.7", "169.254.169.254")}), {})
    assert await pins.refresh(document)
    assert safe(document, pins.resolved()) == {"one": ("203.0.113.7",)}
    assert unusable(document, pins.resolved()) == {}


async def test_says_why_an_endpoint_has_no_address() -> None:
    document = a_document(
        [
            an_external("bad", 443, host="bad.example"),
            an_external("lost", 443, host="lost.example"),
        ],
        endpoint_safety=NOTHING_ALLOWED,
    )
    pins = Pins(names({"bad.example": ("127.0.0.1",)}), {})
    await pins.refresh(document)
    assert unusable(document, pins.resolved()) == {
        "bad": "its name leads to a loopback address",
        "lost": "its name has no address",
    }


async def test_the_last_good_addresses_stay_while_the_name_server_is_away() -> None:
    document = a_document([an_external("one", 443, host="a.example")])
    answers = {"a.example": ("203.0.113.7",)}
    pins = Pins(names(answers), {})
    await pins.refresh(document)
    answers.clear()
    assert not await pins.refresh(document)
    assert pins.resolved() == {"a.example": ("203.0.113.7",)}


async def test_kept_addresses_outlive_a_restart_without_a_name_server() -> None:
    document = a_document([an_external("one", 443, host="a.example")])
    pins = Pins(names({}), {"a.example": ("203.0.113.7",), "gone.example": ("203.0.113.8",)})
    assert await pins.refresh(document)
    assert pins.resolved() == {"a.example": ("203.0.113.7",)}


async def test_a_name_with_many_addresses_is_cut() -> None:
    document = a_document([an_external("one", 443, host="a.example")])
    many = tuple(f"203.0.113.{number}" for number in range(100))
    pins = Pins(names({"a.example": many}), {})
    await pins.refresh(document, only_new=True)
    assert len(safe(document, pins.resolved())["one"]) == MAX_ADDRESSES

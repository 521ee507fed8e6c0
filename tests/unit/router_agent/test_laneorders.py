"""What the lane believes of a request's headers, and what it makes of them."""

import pytest

from autoglm_dataplane.router_agent import laneorders
from autoglm_dataplane.router_agent.laneorders import OrdersError

ORDERS = [
    (b"x-autoglm-lane-back", b"lane-clients.sock"),
    (b"x-autoglm-lane-limit", b"1024"),
]


def test_orders_are_read() -> None:
    found = laneorders.orders_of([*ORDERS, (b"x-autoglm-lane-model", b"own"), (b"x-model", b"m")])
    assert (found.back, found.limit, found.rename, found.named) == (
        "lane-clients.sock",
        1024,
        "own",
        "m",
    )
    assert laneorders.orders_of(ORDERS).rename is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-autoglm-lane-back", b""),
        (b"x-autoglm-lane-back", b"../../master.sock"),
        (b"x-autoglm-lane-back", b"lane-clients.sock\n"),
        (b"x-autoglm-lane-limit", b"-1"),
        (b"x-autoglm-lane-limit", b"many"),
    ],
)
def test_what_haproxy_would_not_write_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(OrdersError):
        laneorders.orders_of([*ORDERS, (name, value)])


def test_a_request_goes_on_without_orders_and_with_its_own_length() -> None:
    headers = [
        *ORDERS,
        (b"host", b"router"),
        (b"x-model", b"written by the client"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"keep-alive"),
        (b"traceparent", b"00-1-2-01"),
    ]
    assert laneorders.head(b"POST", b"/v1/chat/completions?a=1", headers, "glm", 7) == (
        b"POST /v1/chat/completions?a=1 HTTP/1.1\r\n"
        b"host: router\r\ntraceparent: 00-1-2-01\r\n"
        b"x-model: glm\r\ncontent-length: 7\r\nconnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("headers", "length"),
    [([(b"content-length", b"12")], 12), ([(b"transfer-encoding", b"chunked")], None)],
)
def test_a_length_is_announced_or_not(
    headers: list[tuple[bytes, bytes]], length: int | None
) -> None:
    assert laneorders.length_of(headers) == length


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "a%0a"])
def test_no_table_has_a_model_of_such_a_name(name: str) -> None:
    assert not laneorders.is_name(name)
    assert laneorders.is_name("org/glm-4.6:free")

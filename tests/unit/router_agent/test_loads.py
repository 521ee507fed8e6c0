import pytest

from autoglm_api.routingpolicies import Limits
from autoglm_dataplane.router_agent import loads
from autoglm_dataplane.router_agent.observed import in_flight_of
from routingtables import a_document, a_managed, a_server, an_external


@pytest.mark.parametrize(
    ("metrics", "utilisation"),
    [
        ('# TYPE x gauge\nvllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.634\n', 63),
        ("vllm:gpu_cache_usage_perc 0.5\nvllm:num_requests_waiting 0.0\n", 50),
        ("vllm:kv_cache_usage_perc 0.1\nvllm:num_requests_waiting 2.0\n", 100),
        ("sglang:token_usage 0.25\nsglang:num_queue_reqs 0\n", 25),
        ('vllm:kv_cache_usage_perc{m="a"} 0.2\nvllm:kv_cache_usage_perc{m="b"} 0.9\n', 90),
        ("vllm:kv_cache_usage_perc 7\n", 100),
        ("vllm:kv_cache_usage_perc NaN\n", None),
        ("vllm:kv_cache_usage_perc much\n", None),
        ("vllm:num_requests_waiting 0\n", None),
        ("process_cpu_seconds_total 17\n", None),
        ("", None),
    ],
)
def test_reads_what_servers_say_of_themselves(metrics: str, utilisation: int | None) -> None:
    assert loads.said(metrics) == utilisation


def test_counts_requests_in_flight_where_nothing_is_said() -> None:
    limits = Limits(max_concurrency=8)
    document = a_document(
        [
            a_managed("said", 80),
            an_external("counted", 443, limits=limits),
            an_external("crowded", 444, limits=limits),
            an_external("unknown", 445),
        ]
    )
    said = {"said.00000050": 40}
    flying = {"said.00000050": 99, "counted": 2, "crowded": 20, "unknown": 7}
    assert loads.of_document(document, said, flying) == {
        "said.00000050": 40,
        "counted": 25,
        "crowded": 100,
        "unknown": 0,
    }


def test_asks_pods_only() -> None:
    pods = a_managed("pods", 80).model_copy(
        update={"servers": (a_server(8000, "00000001", "2001:db8::1"),)}
    )
    assert loads.servers_of(pods) == {"pods.00000001": "http://[2001:db8::1]:8000/metrics"}
    assert loads.servers_of(an_external("vendor", 443)) == {"vendor": None}


def test_adds_up_a_servers_sessions_over_backends() -> None:
    text = "# pxname,svname,qcur,scur\ntier.0.m,a,0,3\nu.a,a,0,2\ntier.0.m,b,0,\n\n"
    assert in_flight_of(text) == {"a": 5, "b": 0}

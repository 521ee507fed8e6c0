"""Where the API server keeps things; no name leads to anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from autoglm_api import kinds
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import path


def test_a_path_names_one_object() -> None:
    assert path(kinds.POD, "team-a", "web-1") == "/api/v1/namespaces/team-a/pods/web-1"
    assert path(kinds.NODE, None, "node1") == "/api/v1/nodes/node1"
    where = "/apis/apps/v1/namespaces/team-a/deployments/web/scale"
    assert path(kinds.DEPLOYMENT, "team-a", "web", "scale") == where


@pytest.mark.parametrize("name", ["10.0.0.1", "ip-10-0-0-1.ec2.internal", "system:node:a", "A_b"])
def test_whatever_kubernetes_allows_as_a_name_is_one(name: str) -> None:
    assert path(kinds.NODE, None, name) == f"/api/v1/nodes/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../../kube-system/pods/x",
        "%2e%2e",
        "x/log",
        "x?watch=1",
        "x#",
        "x y",
        "x\n",
        "é",
        "x\\y",
    ],
)
def test_nothing_has_a_name_that_means_something_in_a_url(name: str) -> None:
    with pytest.raises(errors.NotFound, match="can have"):
        path(kinds.POD, "team-a", name)
    with pytest.raises(errors.NotFound, match="can have"):
        path(kinds.POD, name, "web-1")


@given(st.text(min_size=1, max_size=12) | st.text("./%?#:-_aZ0\\\n", min_size=1, max_size=12))
def test_whatever_the_name_a_path_is_never_that_of_anything_else(name: str) -> None:
    with contextlib.suppress(errors.NotFound):
        sent = URL(f"http://server{path(kinds.POD, 'team-a', name)}")
        assert (sent.path, sent.query_string, sent.fragment) == (
            f"/api/v1/namespaces/team-a/pods/{name}",
            "",
            "",
        )

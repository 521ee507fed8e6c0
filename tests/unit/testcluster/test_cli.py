"""The command line: what it accepts, and the one sentence for what it does not."""

from pathlib import Path

import pytest

from testcluster.cli import main, parse_fault, parse_up
from testcluster.errors import UsageError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for clusters, so that no real one is ever seen."""
    monkeypatch.setenv("AUTOGLM_CLUSTER_STATE", str(tmp_path))
    monkeypatch.delenv("AUTOGLM_CLUSTER", raising=False)
    return tmp_path


def test_up_without_options_leaves_the_choices_open() -> None:
    options = parse_up([])
    assert (options.nodes, options.provider, options.addons) == (None, None, ())


def test_up_takes_several_addons_once_each() -> None:
    assert parse_up(["--with", "metrics,monitoring,metrics"]).addons == ("metrics", "monitoring")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "--provider", "cloud"], "kind"),
        (["up", "--nodes", "5"], "choose from"),
        (["up", "--nodes", "two"], "--nodes"),
        (["up", "--with", "metrics,tracing"], "monitoring"),
        (["fault", "stop-everything"], "--list"),
        (["fault"], "--list"),
        (["fault", "stop-kubelet"], "node1"),
        (["fault", "stop-etcd", "node1"], "leave node1 out"),
        (["exec", "--"], "COMMAND"),
        (["image", "paint", "autoglm"], "build"),
        (["image", "load"], "NAME"),
        (["fly"], "status"),
        (["--name", "No", "up"], "such as"),
        ([], "--help"),
    ],
)
def test_answers_bad_input_with_one_sentence_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert output.err.count("\n") == 1
    assert output.err.endswith(".\n")


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["kubectl", "-n", "default", "get", "pods"],
        ["exec", "--", "true"],
        ["logs"],
        ["image", "load", "busybox"],
        ["fault", "stop-etcd"],
    ],
)
def test_says_how_to_start_a_cluster_that_is_not_up(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--name", "missing", *words]) == 1
    assert "hack/cluster --name missing up" in capsys.readouterr().err


def test_refuses_to_change_the_provider_of_a_cluster_that_is_up(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = '{"provider": "kind", "nodes": 2, "addons": [], "complete": true}'
    (state / "autoglm").mkdir()
    (state / "autoglm" / "cluster.json").write_text(record)
    assert main(["up", "--provider", "embedded"]) == 1
    assert "hack/cluster down" in capsys.readouterr().err


def test_lists_the_faults_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "--list"]) == 0
    assert "crash-node NODE" in capsys.readouterr().out


def test_a_fault_of_a_node_keeps_its_words() -> None:
    options = parse_fault(["fill-disk", "node2", "--leave-mib", "0"])
    assert (options.fault, options.node, options.leave_mib) == ("fill-disk", "node2", 0)


def test_refuses_a_negative_amount_of_free_space() -> None:
    with pytest.raises(UsageError, match="--leave-mib"):
        parse_fault(["fill-disk", "node1", "--leave-mib=-1"])

"""A wish that cannot be met gets one sentence and an exit code, and leaves nothing."""

import re
import subprocess
from pathlib import Path

import pytest

import leftovers
from clusterlink import UNAVAILABLE, ClusterCommand, Outcome

USAGE, FAILED = 2, 1


def assert_refused(outcome: Outcome, code: int, hint: str) -> None:
    """Expect one sentence on the error output and nothing else."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert re.fullmatch(r"hack/cluster: .+\.\n", outcome.err), outcome.err
    assert hint in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("dance", USAGE, "dance"),
        ("", USAGE, "--help"),
        ("up --provider docker", USAGE, "choose from"),
        ("up --nodes 9", USAGE, "choose from"),
        ("up --nodes two", USAGE, "--nodes"),
        ("up --with coffee", USAGE, "choose from metrics, monitoring"),
        ("up --provider embedded --node-image x", USAGE, "--node-image"),
        ("fault", USAGE, "fault --list"),
        ("fault break-everything", USAGE, "fault --list"),
        ("fault stop-kubelet", USAGE, "node1"),
        ("fault stop-etcd node1", USAGE, "control plane"),
        ("fault stop-kubelet node1", FAILED, " up"),
        ("status", FAILED, " up"),
        ("kubectl get nodes", FAILED, " up"),
        ("exec -- true", FAILED, " up"),
        ("exec", USAGE, "exec -- COMMAND"),
        ("logs", FAILED, " up"),
        ("image load busybox", FAILED, " up"),
        ("image build nothing", FAILED, "choose from"),
        ("image paint busybox", USAGE, "build"),
    ],
)
def test_is_refused_with_a_hint(words: str, code: int, hint: str, spare: ClusterCommand) -> None:
    assert_refused(spare.attempt(*words.split()), code, hint)
    assert not leftovers.found(str(spare.name))


def test_refuses_a_name_that_does_not_fit() -> None:
    assert_refused(ClusterCommand("Not OK").attempt("status"), USAGE, "lower-case")


def test_explains_every_fault(spare: ClusterCommand) -> None:
    lines = spare("fault", "--list").splitlines()
    assert len(lines) == 14
    assert all(len(re.split(r"\s{2,}", line)) == 3 for line in lines)


def test_says_that_root_is_missing(spare: ClusterCommand) -> None:
    outcome = attempt_under(spare, "unshare", "--user", "--")
    assert_refused(outcome, UNAVAILABLE, "root")
    assert not leftovers.found(str(spare.name))


def test_says_that_the_disk_is_full(spare: ClusterCommand, tmp_path: Path) -> None:
    small = f'mount -t tmpfs -o size=16m none {tmp_path} && exec "$@"'
    variable = f"AUTOGLM_CLUSTER_STATE={tmp_path}"
    outcome = attempt_under(
        spare, "unshare", "--mount", "--", "sh", "-c", small, "sh", "env", variable
    )
    assert_refused(outcome, FAILED, "MiB free")
    assert not any(tmp_path.iterdir())


def attempt_under(cluster: ClusterCommand, *prefix: str) -> Outcome:
    """Run `up` with one node in a changed world."""
    line = cluster.line("up", "--provider", "embedded", "--nodes", "1")
    done = subprocess.run([*prefix, *line], capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)

"""The test cluster of a run: brought up before the tiers that need it, taken down after them."""

import os
import subprocess
import sys
from collections.abc import Mapping

from testrun.telling import say

NAME = "test"
ADDONS = "metrics,monitoring"
OUR_IMAGES = ("autoglm", "haproxy", "valkey")
CANNOT_RUN_NODES = 69  # EX_UNAVAILABLE of sysexits.h, as `hack/cluster` uses it
REQUIRE_NODES = "AUTOGLM_REQUIRE_NODES"
KEEP = "AUTOGLM_KEEP_CLUSTER"
NODE_IMAGE = "AUTOGLM_NODE_IMAGE"
"""Image of kind's nodes, and with it the version of Kubernetes."""


class ClusterUnavailableError(Exception):
    """This machine cannot run nodes; the message is the sentence that says what is missing."""


def up() -> None:
    """Start the cluster and load our images into it.

    Raises:
        ClusterUnavailableError: nodes are not possible here.
        SystemExit: they should be, but the cluster did not come up.
    """
    say("test cluster: up (the first time this builds Kubernetes, about 15 minutes)")
    if os.geteuid() == 0:
        # Where packages cannot be had, kind may still serve; `up` then says what is missing.
        subprocess.run(["hack/install-host-packages"], check=False)
    _verb("down")
    image = os.environ.get(NODE_IMAGE)
    code, last = _stream("up", "--with", ADDONS, *(["--node-image", image] if image else []))
    if code == CANNOT_RUN_NODES:
        raise ClusterUnavailableError(last)
    if code:
        raise SystemExit(code)
    _verb("image", "load", *OUR_IMAGES)


def down() -> None:
    """Take the cluster down, unless it shall be kept for a look."""
    if os.environ.get(KEEP) == "1":
        say(f"the cluster stays up; take it down with: hack/cluster --name {NAME} down")
    else:
        _verb("down")


def inside(command: list[str]) -> list[str]:
    """The command, to be run where the cluster can be reached."""
    return ["hack/cluster", "--name", NAME, "exec", "--", *command]


def environment() -> Mapping[str, str]:
    """The environment of tests that need nodes.

    Nodes are demanded only of the embedded provider: it can do everything, kind cannot.
    """
    status = subprocess.run(
        ["hack/cluster", "--name", NAME, "status"], capture_output=True, text=True, check=False
    )
    if "embedded" in status.stdout.partition("\n")[0]:
        return os.environ
    return {key: value for key, value in os.environ.items() if key != REQUIRE_NODES}


def _verb(*words: str) -> None:
    subprocess.run(["hack/cluster", "--name", NAME, *words], check=True)


def _stream(*words: str) -> tuple[int, str]:
    """Run a verb, show its progress as it comes; return its exit code and its last line."""
    last = ""
    command = ["hack/cluster", "--name", NAME, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            print(line, file=sys.stderr, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last

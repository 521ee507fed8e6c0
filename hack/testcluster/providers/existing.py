"""The existing provider: somebody's cluster, used only when it is asked for by name.

Installs what `--with` names through the current context of KUBECONFIG and never breaks anything.
"""

import os
from collections.abc import Sequence
from typing import NoReturn

from testcluster import record
from testcluster.commands import replace_process, run, succeeds
from testcluster.errors import UnavailableError, UsageError
from testcluster.faults import Fault
from testcluster.providers import Wish
from testcluster.record import Record
from testcluster.settings import Settings

NAME = "existing"


class Existing:
    """Whatever the current context of KUBECONFIG leads to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, wish: Wish) -> None:
        """Refuse when no cluster answers, or when it is asked to be changed."""
        if wish.addons:
            raise UsageError("--with would change an existing cluster; install addons yourself")
        if wish.node_image:
            raise UsageError("--node-image chooses kind's nodes; an existing cluster has its own")
        if not succeeds(["kubectl", "get", "--raw", "/readyz"], timeout_seconds=15):
            raise UnavailableError(
                "kubectl reaches no ready cluster; set KUBECONFIG to one, or use another provider"
            )

    def up(self, wish: Wish) -> None:
        """Note that this cluster is used; nothing is changed in it."""
        record.write(self._settings, Record(NAME, wish.nodes, complete=True))

    def down(self) -> None:
        """Forget it; nothing is changed in it."""
        (self._settings.directory / record.FILE).unlink(missing_ok=True)
        self._settings.directory.rmdir()

    def status(self) -> list[str]:
        """Its nodes."""
        context = run(["kubectl", "config", "current-context"]).strip()
        nodes = run(["kubectl", "get", "nodes", "--output=wide"]).splitlines()
        return [f"cluster {self._settings.name}: existing, context {context}", *nodes]

    def kubectl(self, args: Sequence[str]) -> NoReturn:
        """Become kubectl as it is set up here."""
        replace_process(["kubectl", *args], os.environ)

    def execute(self, argv: Sequence[str]) -> NoReturn:
        """Become a command as it is; that it reaches pods is the cluster owner's matter."""
        environment = {
            **os.environ,
            "AUTOGLM_CLUSTER": self._settings.name,
            "AUTOGLM_CLUSTER_EXEC": "1",  # tests touch no cluster without it
        }
        replace_process(argv, environment)

    def load_images(self, names: Sequence[str]) -> None:
        """Refused: how images get there is the cluster owner's matter."""
        listing = " ".join(names)
        raise UnavailableError(
            "an existing cluster has its own registry; "
            f"push there what 'hack/cluster image build {listing}' makes"
        )

    def logs(self, names: Sequence[str], lines: int) -> None:
        """Refused: its programs are not ours."""
        del names, lines
        raise UnavailableError("logs of an existing cluster are kept by its owner")

    def fault(self, fault: Fault, node: str | None, leave_mib: int) -> None:
        """Refused: it may be somebody's real cluster."""
        del node, leave_mib
        raise UnavailableError(f"{fault.name} would break an existing cluster, which may be real")

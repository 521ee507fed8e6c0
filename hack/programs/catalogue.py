"""The programs as data: which module and package each comes from, and how it learns its version."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from buildcache.failures import BuildError

MODULES = Path(__file__).parent

CONTAINERD = "github.com/containerd/containerd/v2"
KUBERNETES_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Where Kubernetes programs keep their version. Source: hack/lib/version.sh of Kubernetes."""


@dataclasses.dataclass(frozen=True)
class Program:
    """One static program."""

    name: str
    module: str
    """Folder of its Go module, beside this file."""
    package: str = "."
    """Go package of its main function."""
    version_of: str = ""
    """Go module whose version is the program's; empty for our own sources."""
    version_variables: tuple[str, ...] = ()
    """Go string variables that are set to that version."""
    tags: str = ""
    """Build tags, separated by commas."""

    @property
    def folder(self) -> Path:
        """The folder of its Go module."""
        return MODULES / self.module

    @property
    def linker_flags(self) -> str:
        """Flags for the linker: no debugging tables, and the version."""
        flags = ["-s", "-w"]
        flags += [f"-X {variable}={self.version}" for variable in self.version_variables]
        if self.version_of == "k8s.io/kubernetes":
            flags += _kubernetes_flags(self.version)
        return " ".join(flags)

    @property
    def version(self) -> str:
        """Version of the Go module it comes from; empty for our own sources."""
        if not self.version_of:
            return ""
        return required_version((self.folder / "go.mod").read_text(), self.version_of)


def _tool(
    name: str, package: str, version_of: str = "", *variables: str, tags: str = ""
) -> Program:
    return Program(name, "tools", package, version_of, variables, tags)


def _containerd(name: str) -> Program:
    # no_btrfs: that snapshotter needs cgo and kernel headers, and nodes use overlayfs.
    version = f"{CONTAINERD}/version.Version"
    return _tool(name, f"{CONTAINERD}/cmd/{name}", CONTAINERD, version, tags="no_btrfs")


def _kubernetes_flags(version: str) -> list[str]:
    """What else Kubernetes wants to know of its version, beside `gitVersion`."""
    minor = version.split(".")[1]
    return [
        f"-X {package}.{variable}={value}"
        for package in KUBERNETES_VERSION_PACKAGES
        for variable, value in (("gitMajor", "1"), ("gitMinor", minor), ("gitTreeState", "clean"))
    ]


CATALOGUE = {
    program.name: program
    for program in (
        Program(
            "kubebox",
            "kubebox",
            version_of="k8s.io/kubernetes",
            version_variables=tuple(f"{p}.gitVersion" for p in KUBERNETES_VERSION_PACKAGES),
            tags="selinux,notest,grpcnotrace",  # Source: those of Kubernetes' own server builds.
        ),
        _containerd("containerd"),
        _containerd("containerd-shim-runc-v2"),
        _containerd("ctr"),
        _tool("coredns", "github.com/coredns/coredns", "github.com/coredns/coredns"),
        _tool(
            "helm",
            "helm.sh/helm/v4/cmd/helm",
            "helm.sh/helm/v4",
            "helm.sh/helm/v4/internal/version.version",
        ),
        _tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
        _tool(
            "kubeconform",
            "github.com/yannh/kubeconform/cmd/kubeconform",
            "github.com/yannh/kubeconform",
            "main.version",
        ),
        _tool(
            "metrics-server",
            "sigs.k8s.io/metrics-server/cmd/metrics-server",
            "sigs.k8s.io/metrics-server",
        ),
        _tool(
            "node_exporter",
            "github.com/prometheus/node_exporter",
            "github.com/prometheus/node_exporter",
            "github.com/prometheus/common/version.Version",
        ),
        # Modules of their own: these need older Kubernetes libraries than the tools above.
        Program(
            "kube-state-metrics",
            "kube-state-metrics",
            "k8s.io/kube-state-metrics/v2",
            "k8s.io/kube-state-metrics/v2",
        ),
        Program(
            "local-path-provisioner",
            "local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
            ("main.VERSION",),
        ),
        Program("kind", "kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind"),
        Program("pause", "pause"),
        Program("routerload", "routerload"),
    )
}


def chosen(names: Iterable[str]) -> list[Program]:
    """The programs of these names, each once, in the order asked for.

    Raises:
        BuildError: A name is unknown; the message lists the known ones.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in CATALOGUE:
            raise BuildError(f"there is no program {name!r}; choose from {', '.join(CATALOGUE)}")
    return [CATALOGUE[name] for name in wanted]


def required_version(go_mod: str, module: str) -> str:
    """The version of module that a go.mod file requires.

    Raises:
        BuildError: The file does not require it.
    """
    line = rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)"
    found = re.search(line, go_mod, re.MULTILINE)
    if found is None:
        raise BuildError(f"go.mod does not require {module}; run `go get {module}` in that module")
    return found.group(1)

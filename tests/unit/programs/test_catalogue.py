import re

import pytest

from buildcache.failures import BuildError
from programs.catalogue import CATALOGUE, MODULES, chosen, required_version

GO_MOD = """\
module example.org/own

require k8s.io/api v0.36.2

require (
\tk8s.io/kubernetes v1.36.2
\tk8s.io/kubernetes-extra v9.9.9 // indirect
)
"""


@pytest.mark.parametrize(
    ("module", "version"), [("k8s.io/kubernetes", "v1.36.2"), ("k8s.io/api", "v0.36.2")]
)
def test_version_is_the_one_that_go_mod_requires(module: str, version: str) -> None:
    assert required_version(GO_MOD, module) == version


def test_unknown_module_is_refused_with_what_to_do() -> None:
    with pytest.raises(BuildError, match=r"run `go get k8s\.io/other`"):
        required_version(GO_MOD, "k8s.io/other")


def test_unknown_program_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BuildError, match="no program 'kubectl'; choose from kubebox, containerd"):
        chosen(["kubebox", "kubectl"])


def test_program_named_twice_is_built_once() -> None:
    assert [program.name for program in chosen(["ctr", "helm", "ctr"])] == ["ctr", "helm"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_program_has_a_module_with_sums_and_a_pinned_version(name: str) -> None:
    program = CATALOGUE[name]
    own_source = program.package == "."
    assert (program.folder / "go.mod").exists()
    assert own_source or re.fullmatch(r"v\d+\.\d+\.\d+", program.version)
    assert own_source or (program.folder / "go.sum").exists()


def test_modules_name_the_same_oldest_go() -> None:
    found = {
        re.findall(r"^go (\S+)$", path.read_text(), re.MULTILINE)[0]
        for path in MODULES.glob("*/go.mod")
    }
    assert len(found) == 1


def test_kubernetes_is_told_its_own_version() -> None:
    version = CATALOGUE["kubebox"].version
    flags = CATALOGUE["kubebox"].linker_flags
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in flags
    assert f"-X k8s.io/client-go/pkg/version.gitMinor={version.split('.')[1]}" in flags

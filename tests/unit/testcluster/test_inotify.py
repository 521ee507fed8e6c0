"""A machine without inotify instances is told apart from everything else that can go wrong."""

from pathlib import Path

import pytest

from testcluster import inotify
from testcluster.errors import ClusterError
from testcluster.providers import Wish
from testcluster.providers.embedded import Embedded
from testcluster.settings import Settings

# What containerd 2 and kubelet 1.36 said where no instance was to be had.
CONTAINERD = (
    'time="2026-03-01T12:00:00Z" level=warning msg="failed to load plugin" error="failed to create '
    "CRI service: failed to create cni conf monitor for default: failed to create fsnotify watcher:"
    " couldn't initialize inotify: too many open files\" id=io.containerd.grpc.v1.cri"
)
KUBELET = (
    'E0301 12:00:00.650000 1 plugins.go:577] "Error initializing dynamic plugin prober" '
    'err="error initializing watcher: too many open files"'
)
FILES = 'E0301 12:00:00.0 1 server.go:1] "Cannot accept" err="accept4: too many open files"'


@pytest.mark.parametrize("line", [CONTAINERD, KUBELET])
def test_is_told_by_what_the_programs_say(line: str) -> None:
    assert inotify.is_exhausted(f"all is well\n{line}\nserving")


@pytest.mark.parametrize("text", ["", FILES, "inotify works\nother: too many open files"])
def test_a_lack_of_other_files_is_something_else(text: str) -> None:
    assert not inotify.is_exhausted(text)


def test_one_sentence_says_what_to_do() -> None:
    said = inotify.sentence("128")
    assert "fs.inotify.max_user_instances is 128" in said
    assert "'sysctl -w fs.inotify.max_user_instances=512'" in said
    assert "\n" not in said


def test_only_what_was_written_meanwhile_counts(tmp_path: Path) -> None:
    log = tmp_path / "node1" / "containerd.log"
    log.parent.mkdir()
    log.write_text(f"{CONTAINERD}\n")
    logs = inotify.Logs.from_now_on(tmp_path)

    logs.check()

    (tmp_path / "node1" / "kubelet.log").write_text(KUBELET)
    with pytest.raises(ClusterError, match="no inotify instances left"):
        logs.check()


@pytest.mark.parametrize(
    ("line", "said"), [(KUBELET, "no inotify instances left"), (FILES, "timed out")]
)
def test_up_says_why_its_nodes_do_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    settings = Settings(state_root=tmp_path)

    def create(_self: Embedded, _wish: Wish) -> None:
        log = settings.logs / "node1" / "kubelet.log"
        log.parent.mkdir(parents=True)
        log.write_text(line)
        raise ClusterError("kubectl wait timed out")

    monkeypatch.setattr(Embedded, "_create", create)
    monkeypatch.setattr(Embedded, "down", lambda _self: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    with pytest.raises(ClusterError, match=said):
        Embedded(settings).up(Wish(nodes=2))

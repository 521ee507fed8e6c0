"""One run of the cleaner: everything is measured, problems are told, the report fits."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from autoglm_api import cleaning
from autoglm_api.cleaning import CleaningReport, Consumer, DiskMeasure, DiskReport
from autoglm_api.healingladder import Rubbish
from autoglm_dataplane.cleaner import disks, main
from autoglm_dataplane.cleaner.disks import Place
from autoglm_dataplane.cleaner.grpc import RuntimeRefusedError, RuntimeUnreachableError
from autoglm_dataplane.cleaner.settings import CleanerSettings
from autoglm_dataplane.cleaner.sweeping import Floors
from autoglm_dataplane.cleaner.work import Node, Order, clean

if TYPE_CHECKING:
    from autoglm_dataplane.cleaner.cri import Caller

MACHINE = "0123456789abcdef0123456789abcdef"
ALL = frozenset(Rubbish)


class EmptyRuntime:
    """A container runtime without anything."""

    def call(self, method: str, request: bytes) -> bytes:
        assert method
        return request[:0]


def nobody() -> NoReturn:
    raise RuntimeUnreachableError("The container runtime does not answer: no such file.")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    for name in ("log", "tmp", "var-tmp", "volumes", "images"):
        (tmp_path / name).mkdir()
    return Node(
        logs=Place("/var/log", tmp_path / "log"),
        temporary=(
            Place(cleaning.HOST_TEMPORARY, tmp_path / "tmp"),
            Place(cleaning.HOST_KEPT_TEMPORARY, tmp_path / "var-tmp"),
        ),
        volumes=Place("/var/lib/kubelet", tmp_path / "volumes"),
        images=Place("the disk of images", tmp_path / "images"),
    )


def an_order(
    remove: frozenset[Rubbish] = ALL, *, days_ahead: float = 0, over: bool = False
) -> Order:
    floors = Floors(time.time() + days_ahead * 86400, age_seconds=3600, size_bytes=4096)
    return Order(remove, floors, enough=lambda: over, pause=lambda _: None)


def a_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 65536)
    yesterday = time.time() - 86400
    os.utime(path, (yesterday, yesterday))
    return path


def runtime() -> "nullcontext[Caller]":
    return nullcontext(EmptyRuntime())


def test_removes_every_sort_and_says_how_much(node: Node) -> None:
    logs, temporary = node.logs.here, node.temporary[1].here
    gone = [
        a_file(logs / "app" / "app.log.1"),
        a_file(logs / "journal" / MACHINE / f"system@{MACHINE}-1-2.journal"),
        a_file(temporary / "core"),
    ]
    stays = [
        a_file(logs / "journal" / MACHINE / "system.journal"),
        a_file(logs / "app" / "app.log"),
    ]

    report = clean(node, an_order(days_ahead=1), runtime)

    assert [path.exists() for path in gone + stays] == [False] * 3 + [True] * 2
    counts = {each.rubbish: (each.count, each.size_bytes) for each in report.removed}
    assert counts == {
        Rubbish.LOGS: (1, 65536),
        Rubbish.JOURNAL: (1, 65536),
        Rubbish.TEMPORARY_FILES: (1, 65536),
        Rubbish.CONTAINERS: (0, 0),
        Rubbish.IMAGES: (0, 0),
    }
    assert len(report.disks) == 1
    assert report.disks[0].path == "/var/lib/kubelet"
    assert report.problems == ()
    assert ("/var/log/app", 65536) in {(each.what, each.size_bytes) for each in report.kept}


def test_touches_only_what_was_asked_for(node: Node) -> None:
    log, temporary = a_file(node.logs.here / "a.log.1"), a_file(node.temporary[0].here / "x")
    image_asked: list[str] = []

    def asked() -> NoReturn:
        image_asked.append("")
        raise AssertionError

    clean(node, an_order(frozenset({Rubbish.LOGS}), days_ahead=1), asked)

    assert (log.exists(), temporary.exists(), image_asked) == (False, True, [])


def test_goes_on_when_the_runtime_is_silent(node: Node) -> None:
    gone = a_file(node.logs.here / "a.log.1")

    report = clean(node, an_order(), nobody)

    assert not gone.exists()
    assert report.problems == ("The container runtime does not answer: no such file.",)


def test_says_what_the_runtime_refused(node: Node) -> None:
    class Refusing:
        def call(self, method: str, request: bytes) -> bytes:
            raise RuntimeRefusedError("12", f"unknown {method}{len(request)}")

    def refusing() -> "nullcontext[Caller]":
        return nullcontext(Refusing())

    problems = clean(node, an_order(frozenset({Rubbish.IMAGES})), refusing).problems

    assert problems == ("unknown runtime.v1.ImageService/ListImages0",)


def test_tells_open_files_missing_folders_and_the_end_of_time(node: Node) -> None:
    a_file(node.logs.here / "a.log.1")
    node.temporary[0].here.rmdir()
    node.temporary[0].here.symlink_to("nowhere")
    missing = Node(
        logs=node.logs,
        temporary=(Place(cleaning.HOST_TEMPORARY, node.logs.here.parent / "link"),),
        volumes=node.volumes,
        images=node.images,
    )
    (node.logs.here.parent / "link").symlink_to(node.volumes.here)
    with (node.logs.here / "a.log.1").open():
        report = clean(missing, an_order(), runtime)

    assert report.problems[0] == "Logs in /var/log: 1 open."
    assert report.problems[1].startswith(f"{cleaning.HOST_TEMPORARY} cannot be read: ")
    over = clean(node, an_order(frozenset({Rubbish.LOGS}), over=True), runtime)
    assert "time was over" in over.problems[-1]


def test_names_of_files_are_harmless_in_the_report(node: Node) -> None:
    a_file(node.logs.here / 'ev\x1b[31m"il\n' / "x")

    report = clean(node, an_order(frozenset({Rubbish.LOGS})), runtime)

    assert report.kept[0].what == '/var/log/ev?[31m"il?'


def test_a_folder_in_memory_is_no_disk(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {str(node.logs.here): "tmpfs"}
    monkeypatch.setattr(disks, "_kinds", lambda: kinds)

    assert disks.on_disk([node.logs, node.volumes]) == [node.volumes]


def test_waits_while_space_is_still_coming_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([100, 200, 300, 300, 300])
    waited: list[float] = []

    def measured(_: Place) -> DiskMeasure:
        return DiskMeasure(free_bytes=next(free), free_inodes=1)

    monkeypatch.setattr(disks, "measure", measured)
    order = an_order(frozenset())
    order = Order(order.remove, order.floors, order.enough, pause=waited.append)

    report = clean(node, order, runtime)

    assert (report.disks[0].before.free_bytes, report.disks[0].after.free_bytes) == (100, 300)
    assert len(waited) == 2


def a_report(kept: int = 8, problems: int = 8) -> CleaningReport:
    measure = DiskMeasure(free_bytes=1, free_inodes=1)
    disk = DiskReport(path="/", total_bytes=9, total_inodes=9, before=measure, after=measure)
    return CleaningReport(
        disks=(disk,),
        kept=tuple(Consumer(what="w" * 200, size_bytes=1, why="y" * 64) for _ in range(kept)),
        problems=("p" * 200,) * problems,
    )


def test_the_report_fits_into_a_termination_message() -> None:
    text = main.shortened(a_report())

    assert len(text.encode()) <= cleaning.REPORT_LIMIT
    read = CleaningReport.model_validate_json(text)
    assert read.disks == a_report().disks
    assert len(read.problems) == 8
    assert 0 < len(read.kept) < 8


def test_even_problems_are_left_out_before_the_measure_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cleaning, "REPORT_LIMIT", 400)

    assert json.loads(main.shortened(a_report()))["disks"]


def no_wait(seconds: float) -> None:
    assert seconds


def test_the_command_reports_or_says_why_not(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = tmp_path / "message"
    monkeypatch.setattr(cleaning, "REPORT_PATH", str(message))
    monkeypatch.setattr(main, "NODE", node)
    monkeypatch.setenv("AUTOGLM_REMOVE", "Logs,TemporaryFiles")
    gone = a_file(node.logs.here / "a.log.1")
    os.utime(gone, (0, 0))

    before = signal.getsignal(signal.SIGIO)
    try:
        monkeypatch.setattr(time, "sleep", no_wait)
        assert main.main() == 0
        assert CleaningReport.model_validate_json(message.read_text()).removed[0].count == 0

        monkeypatch.setenv("AUTOGLM_MINIMUM_SIZE_BYTES", "0")
        assert main.main() == 0
        assert not gone.exists()

        monkeypatch.setattr(cleaning, "REPORT_PATH", str(tmp_path / "no" / "folder"))
        assert main.main() == 1
        monkeypatch.setattr(
            main, "NODE", Node(node.logs, (), Place("x", tmp_path / "y"), node.images)
        )
        assert main.main() == 1
        assert "cannot be measured" in capsys.readouterr().err

        monkeypatch.setenv("AUTOGLM_MINIMUM_AGE_SECONDS", "1")
        assert main.main() == 2
        assert "AUTOGLM_MINIMUM_AGE_SECONDS" in capsys.readouterr().err
    finally:
        signal.signal(signal.SIGIO, before)


def test_the_order_ends_after_its_budget() -> None:
    order = main.order_of(CleanerSettings.model_validate({"remove": ["Logs"], "budget_seconds": 1}))

    assert order.enough() is False
    deadline = time.monotonic() + 3
    while not order.enough():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_image_holder_ends_when_it_is_told_to(ending: signal.Signals) -> None:
    code = (
        "import signal, autoglm_dataplane.cleaner.hold as hold;"
        " signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT});"
        " print('up', flush=True); raise SystemExit(hold.main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        holder.send_signal(ending)
        assert holder.wait(10) == 0

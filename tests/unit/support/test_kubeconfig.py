"""What is written into a kubeconfig is read back."""

from pathlib import Path

import yaml

from kubeconfig import Access, load, write


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    access = Access("https://127.0.0.1:1", b"authority", b"certificate", b"key", "token")
    assert load(write(tmp_path / "config", access)) == access


def test_writes_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "config", Access("http://127.0.0.1:1", token="secret"))  # noqa: S106
    assert path.stat().st_mode & 0o777 == 0o600


def test_reads_certificates_from_files_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "config", Access("https://127.0.0.1:1"))
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    path.write_text(yaml.safe_dump(document))
    (tmp_path / "ca.crt").write_bytes(b"authority")
    assert load(path).ca == b"authority"

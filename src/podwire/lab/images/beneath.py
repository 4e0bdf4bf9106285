"""Changes below one folder that no path can lead out of: links are followed as if the folder were the root directory.

Source: openat2(2), RESOLVE_IN_ROOT. No other process may change the folder meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from podwire.kernel import mounts

DEEPEST = 256
"""Folders within each other, also by way of links: what removes a tree must not run out of stack or descriptors."""


class Beneath:
    """A folder that is being filled. Paths are relative and without `..`; empty is the folder itself."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._deepest = os.path.realpath(root).count("/") + DEEPEST

    @contextlib.contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder that holds the last part of a path, made where it is missing, and that part."""
        folder, _, name = path.rpartition("/")
        descriptor = self._folder(folder)
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").count("/") >= self._deepest:
                raise OSError(errno.ENAMETOOLONG, "is nested too deeply")
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _folder(self, path: str) -> int:
        try:
            return self._opened(path)
        except FileNotFoundError:
            mounts.make_folder_beneath(self._root, path)
            return self._opened(path)

    def _opened(self, path: str) -> int:
        descriptor = mounts.open_beneath(self._root, path or ".")
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotADirectoryError(f"{path} is no folder")
        return descriptor

    def mode(self, folder: int, name: str) -> int | None:
        """Return the st_mode of a name; None if it does not exist. Links are not followed."""
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None

    def clear(self, path: str, keep: Callable[[str], bool]) -> None:
        """Remove a path and what is below it, except what is kept and the folders that hold it."""
        try:
            with self._existing_parent(path) as (folder, name):
                _clear(folder, name, path, keep)
        except (FileNotFoundError, NotADirectoryError):
            return

    def empty(self, path: str, keep: Callable[[str], bool]) -> None:
        """Remove what is below a folder, except what is kept."""
        try:
            descriptor = mounts.open_beneath(self._root, path or ".")
        except FileNotFoundError:
            return
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                _empty(descriptor, path, keep)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _existing_parent(self, path: str) -> Iterator[tuple[int, str]]:
        folder, _, name = path.rpartition("/")
        descriptor = self._opened(folder)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    def read(self, path: str, most: int) -> bytes:
        """The first bytes of a regular file; empty where there is none."""
        try:
            descriptor = mounts.open_beneath(self._root, path)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            with open(f"/proc/self/fd/{descriptor}", "rb") as file:
                return file.read(most)
        finally:
            os.close(descriptor)


def _clear(folder: int, name: str, path: str, keep: Callable[[str], bool]) -> None:
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        if not keep(path):
            os.unlink(name, dir_fd=folder)
        return
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _empty(inner, path, keep)
    finally:
        os.close(inner)
    if not keep(path):
        os.rmdir(name, dir_fd=folder)


def _empty(folder: int, path: str, keep: Callable[[str], bool]) -> None:
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        names = os.listdir(listing)
    finally:
        os.close(listing)
    for name in names:
        _clear(folder, name, f"{path}/{name}" if path else name, keep)

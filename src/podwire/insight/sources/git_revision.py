"""Files of a revision of git: `HEAD~1:deploy/`, `main:deploy/web.yaml`, as `git show` names them."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath

import msgspec

from podwire.insight.sources import nearest_path
from podwire.insight.sources.text import SUFFIXES, AbsentError, SourceError, Text, too_large


class Place(msgspec.Struct, frozen=True):
    """What REVISION:PATH means: the path below the top of the repository, and the current folder there."""

    revision: str
    path: PurePosixPath
    here: PurePosixPath

    @property
    def name(self) -> str:
        """As git names it."""
        return f"{self.revision}:{'' if str(self.path) == '.' else self.path}"


def texts(name: str, left: int, *, is_recursive: bool) -> Iterator[Text]:
    """Yield the files of REVISION:PATH, a path of the current folder.

    Raises AbsentError where the revision does not have the path, else SourceError.
    """
    place = _place(name)
    if not _succeeds("cat-file", "-e", place.name):
        raise AbsentError(f"{name}: no such file or folder in this revision{_hint(place)}")
    kind = _git(name, "cat-file", "-t", place.name).decode().strip()
    for file in [place.path] if kind == "blob" else _listed(name, place, is_recursive):
        content = _git(name, "cat-file", "blob", f"{place.revision}:{file}")
        left -= len(content)
        if left < 0:
            raise too_large(name)
        shown = f"{place.revision}:{os.path.relpath(file, place.here)}"
        try:
            yield Text(shown, content.decode())
        except UnicodeDecodeError as error:
            raise SourceError(f"{shown}: {error}") from None


def is_revision(revision: str) -> bool:
    """Whether git knows the revision here."""
    return (
        bool(revision) and not revision.startswith("-") and _succeeds("rev-parse", "--verify", f"{revision}^{{tree}}")
    )


def is_there(name: str) -> bool:
    """Whether a revision has the path of REVISION:PATH. Raises SourceError for what is no revision, or outside."""
    return _succeeds("cat-file", "-e", _place(name).name)


def is_file(name: str) -> bool:
    """Whether REVISION:PATH is a file."""
    try:
        return _git(name, "cat-file", "-t", _place(name).name).decode().strip() == "blob"
    except SourceError:
        return False


def export(name: str, folder: str) -> str:
    """Write all files of the revision of REVISION:PATH into a folder; return where PATH is. Raises SourceError."""
    place = _place(name)
    top = _git(name, "rev-parse", "--show-toplevel").decode().strip()
    with subprocess.Popen(
        ["git", "-C", top, "archive", place.revision], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as archive:
        try:
            with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
                files.extractall(folder, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise SourceError(f"-k {name}: {error}") from None
    return os.path.join(folder, place.path)


def _place(name: str) -> Place:
    """Raise SourceError for what is no revision, or a path outside of the repository."""
    revision, _, path = name.partition(":")
    if revision.startswith("-") or not revision:
        raise SourceError(f"{name}: no such file or folder")
    here = PurePosixPath(_git(name, "rev-parse", "--show-prefix").decode().strip() or ".")
    inside = PurePosixPath(os.path.normpath(here / path)) if not os.path.isabs(path) else PurePosixPath(path[1:])
    if inside.parts[:1] == ("..",):
        raise SourceError(f"{name}: the path is outside of the repository")
    _git(name, "rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}")
    return Place(revision, inside, here)


def _hint(place: Place) -> str:
    """Return the nearest paths of the revision, as paths of the current folder."""

    def entries(folder: PurePath) -> list[str] | None:
        tree = f"{place.revision}:{'' if str(folder) == '.' else folder}"
        done = subprocess.run(["git", "ls-tree", "--full-tree", "-z", tree], capture_output=True, check=False)
        if done.returncode:
            return None
        listed = (one.partition("\t") for one in done.stdout.decode(errors="replace").split("\0") if one)
        return [name for about, _, name in listed if " tree " in about or PurePath(name).suffix in SUFFIXES]

    return nearest_path.hint(place.path, entries, lambda path: os.path.relpath(path, place.here))


def _succeeds(*arguments: str) -> bool:
    try:
        return not subprocess.run(["git", *arguments], capture_output=True, check=False).returncode
    except OSError:
        return False


def _listed(name: str, place: Place, is_recursive: bool) -> list[PurePosixPath]:
    depth = ("-r",) if is_recursive else ()
    listed = _git(name, "ls-tree", *depth, "--full-tree", "-z", place.name)
    entries = (one.partition("\t") for one in listed.decode().split("\0") if one)
    found = (place.path / path for about, _, path in entries if " blob " in about)
    return sorted(one for one in found if one.suffix in SUFFIXES)


def _git(name: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except OSError as error:
        raise SourceError(f"{name}: no such file or folder, and git cannot be run: {error}") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        shown = f": {reason}" if reason else ""
        raise SourceError(f"{name}: no such file or folder, and no revision of git{shown}")
    return done.stdout

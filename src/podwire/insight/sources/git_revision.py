"""Files of a revision of git: `HEAD~1:deploy/`, `main:deploy/web.yaml`, as `git show` names them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath

from podwire.insight.sources.text import SUFFIXES, SourceError, Text, too_large


def texts(name: str, left: int, *, is_recursive: bool) -> Iterator[Text]:
    """Yield the files of REVISION:PATH, a path of the current folder. Raises SourceError."""
    revision, _, path = name.partition(":")
    if revision.startswith("-") or not revision:
        raise SourceError(f"-f {name}: no such file or folder")
    top = _top(name)
    inside = PurePosixPath(os.path.normpath(top / path)) if not os.path.isabs(path) else PurePosixPath(path[1:])
    if inside.parts[:1] == ("..",):
        raise SourceError(f"-f {name}: the path is outside of the repository")
    kind = _git(name, "cat-file", "-t", f"{revision}:{_shown(inside)}").decode().strip()
    files = [inside] if kind == "blob" else _listed(name, revision, inside, is_recursive)
    for file in files:
        content = _git(name, "cat-file", "blob", f"{revision}:{file}")
        left -= len(content)
        if left < 0:
            raise too_large(name)
        shown = f"{revision}:{os.path.relpath(file, top)}"
        try:
            yield Text(shown, content.decode())
        except UnicodeDecodeError as error:
            raise SourceError(f"-f {shown}: {error}") from None


def _top(name: str) -> PurePosixPath:
    """Return the current folder as a path below that of the repository."""
    return PurePosixPath(_git(name, "rev-parse", "--show-prefix").decode().strip() or ".")


def _listed(name: str, revision: str, folder: PurePosixPath, is_recursive: bool) -> list[PurePosixPath]:
    depth = ("-r",) if is_recursive else ()
    listed = _git(name, "ls-tree", *depth, "--full-tree", "-z", f"{revision}:{_shown(folder)}")
    entries = (one.partition("\t") for one in listed.decode().split("\0") if one)
    found = (folder / path for about, _, path in entries if " blob " in about)
    return sorted(one for one in found if one.suffix in SUFFIXES)


def _shown(path: PurePosixPath) -> str:
    return "" if str(path) == "." else str(path)


def _git(name: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except OSError as error:
        raise SourceError(f"-f {name}: no such file or folder, and git cannot be run: {error}") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise SourceError(f"-f {name}: no such file or folder, and no revision of git: {reason}")
    return done.stdout

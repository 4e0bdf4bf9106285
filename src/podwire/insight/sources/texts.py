"""The texts that the names of a command mean: files, folders, standard input, revisions of git."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from podwire.insight.sources import nearest_path
from podwire.insight.sources.text import MOST_BYTES, SUFFIXES, AbsentError, SourceError, Text, too_large

STANDARD_INPUT = "-"


def texts(names: Iterable[str], *, is_recursive: bool = False) -> Iterator[Text]:
    """Yield the texts of names, in their order; at most MOST_BYTES in all. Raises SourceError.

    A name is a file, a folder (its files that end in one of SUFFIXES), `-`, or REVISION:PATH of the git repository of
    the current folder. With `is_recursive` folders in folders count too.
    """
    left = MOST_BYTES
    for name in names:
        for one in _texts(name, left, is_recursive):
            left -= len(one.content)
            yield one


def _texts(name: str, left: int, is_recursive: bool) -> Iterator[Text]:
    path = Path(name)
    if name == STANDARD_INPUT:
        yield Text("standard input", _standard_input(left))
    elif path.is_file():
        yield _file(path, left)
    elif path.is_dir():
        for file in _files(path, is_recursive):
            found = _file(file, left)
            left -= len(found.content)
            yield found
    elif ":" in name:
        from podwire.insight.sources import git_revision

        yield from git_revision.texts(name, left, is_recursive=is_recursive)
    else:
        raise absent(name)


def _files(folder: Path, is_recursive: bool) -> list[Path]:
    found = folder.rglob("*") if is_recursive else folder.iterdir()
    return sorted(one for one in found if one.suffix in SUFFIXES and one.is_file())


def absent(name: str) -> AbsentError:
    """Return the error for a path that does not exist, with the nearest ones."""
    return AbsentError(f"{name}: no such file or folder{nearest_path.hint(Path(name), _entries)}")


def _entries(folder: PurePath) -> list[str] | None:
    """Return the folders in a folder, and the files that are read, but hidden ones; None where it cannot be listed."""
    try:
        found = [one for one in Path(folder).iterdir() if not one.name.startswith(".")]
        return [one.name for one in found if one.suffix in SUFFIXES or one.is_dir()]
    except OSError:
        return None


def _file(path: Path, left: int) -> Text:
    try:
        if path.stat().st_size > left:
            raise too_large(str(path))
        return Text(str(path), path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {error}") from None


def _standard_input(left: int) -> str:
    try:
        found = sys.stdin.read(left + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"standard input: {error}") from None
    if len(found) > left:
        raise too_large("standard input")
    return found

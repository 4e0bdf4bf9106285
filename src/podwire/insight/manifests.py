"""Objects in files, with the place of each: YAML or JSON, files, folders, `-` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 128 << 20


class ManifestError(Exception):
    """A file that cannot be read. The text has its name, the line where there is one, and what is wrong."""


class Manifest(msgspec.Struct, frozen=True):
    """One object as it is written. `place` is FILE:LINE."""

    place: str
    value: Mapping[str, Any]

    @property
    def kind(self) -> tuple[str, str]:
        """Its API group, empty for the core group, and its kind."""
        group, slash, _ = str(self.value.get("apiVersion", "")).partition("/")
        return group if slash else "", str(self.value.get("kind", ""))


def read(names: Iterable[str]) -> tuple[Manifest, ...]:
    """Return all objects of these files and folders, in their order; items of lists too. Raises ManifestError."""
    found = tuple(manifest for name in names for path in _files(name) for manifest in _objects(path))
    if not found:
        raise ManifestError(f"-f {', '.join(names)}: there is no object: name files that end in {', '.join(SUFFIXES)}")
    return found


def _files(name: str) -> Iterator[Path]:
    path = Path(name)
    if name == "-" or path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
    else:
        raise ManifestError(f"-f {name}: no such file or folder")


def _objects(path: Path) -> Iterator[Manifest]:
    shown = "standard input" if str(path) == "-" else str(path)
    for line, value in _documents(path, shown):
        place = f"{shown}:{line}"
        if not isinstance(value, dict) or not value.get("kind") or not value.get("apiVersion"):
            raise ManifestError(f"{place}: an object needs apiVersion and kind: add them")
        items = value.get("items") if str(value["kind"]).endswith("List") else None
        for one in items if isinstance(items, list) else [value]:
            yield Manifest(place, one)


def _documents(path: Path, shown: str) -> Iterator[tuple[int, Any]]:
    """Yield each document that is not empty with the line on which it begins."""
    try:
        text = sys.stdin.read(MOST_BYTES + 1) if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"-f {shown}: {error}") from None
    if len(text) > MOST_BYTES:
        raise ManifestError(f"-f {shown}: larger than {MOST_BYTES >> 20} MB: name fewer objects")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if node is not None and value is not None:
                yield node.start_mark.line + 1, value
    except yaml.YAMLError as error:
        raise ManifestError(_fault(shown, text, error)) from None
    finally:
        loader.dispose()


def _fault(shown: str, text: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    if "{{" in text:
        return f"{shown}:{line}: this is a template, not YAML: render it first ('helm template CHART'), and give -f -"
    problem = getattr(error, "problem", None) or "cannot be read"
    return f"{shown}:{line}: no YAML: {problem}"

"""Objects as they are written, with the place of each and of each of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import msgspec
import yaml

from podwire.insight.sources import yaml_values
from podwire.insight.sources.text import Text

Path = tuple[str | int, ...]
"""Of a field: `("spec", "ingress", 0, "from")`."""
EXPECTATIONS = "expectations"
"""A document with this key and no kind is for `podwire verify`, and is passed over."""
CHART = "Chart.yaml"
"""The file that makes a folder a Helm chart."""
MOST_CITED = 2 << 20
"""Bytes of a document up to which it is read again for the lines of its fields."""


class ManifestError(Exception):
    """A file that cannot be read. The text has its name, the line where there is one, and what is wrong."""


class NothingThereError(ManifestError):
    """A file, folder or revision is not there, or has no object."""


class Document:
    """One document of a text; the lines of its fields are found when they are cited."""

    def __init__(self, text: Text, line: int, start: int) -> None:
        self._text, self._line, self._start = text, line, start
        self._node: Any = None
        self._is_composed = False

    def place(self, path: Path) -> str:
        """Return FILE:LINE of a field, of its nearest parent where it is absent or the document is very large."""
        return f"{self._text.name}:{self._line + 1 + self._offset(path)}"

    def _offset(self, path: Path) -> int:
        if not path or len(self._text.content) - self._start > MOST_CITED:
            return 0
        if not self._is_composed:
            self._node = yaml_values.composed(self._text.content[self._start :])
            self._is_composed = True
        return yaml_values.line_of(self._node, path) if self._node is not None else 0


class Manifest(msgspec.Struct, frozen=True):
    """One object as it is written: `within` is its path in its document, as an item of a list has one."""

    value: Mapping[str, Any]
    document: Document
    within: Path = ()

    @property
    def place(self) -> str:
        """FILE:LINE of its beginning."""
        return self.document.place(self.within)

    def field(self, path: Path) -> str:
        """Return FILE:LINE of a field, of its nearest parent where it is absent."""
        return self.document.place((*self.within, *path))

    @property
    def kind(self) -> tuple[str, str]:
        """Its API group, empty for the core group, and its kind."""
        group, slash, _ = str(self.value.get("apiVersion", "")).partition("/")
        return group if slash else "", str(self.value.get("kind", ""))


def objects(text: Text) -> Iterator[Manifest]:
    """Yield the objects of a text. Raises ManifestError."""
    for line, start, value in _documents(text):
        if value is None:
            continue
        document = Document(text, line, start)
        yield from _checked(value, document, ())


def has_list(text: Text) -> bool:
    """Whether a text that has no object has a List: then nothing is meant. Raises ManifestError."""
    values = (value for _, _, value in _documents(text))
    return any(isinstance(one, dict) and one.get("kind") and EXPECTATIONS not in one for one in values)


def _checked(value: Any, document: Document, within: Path) -> Iterator[Manifest]:
    """Yield an object, or the items of a list. Items of a typed list need no apiVersion and kind."""
    if isinstance(value, dict) and not value.get("kind") and EXPECTATIONS in value and not within:
        return
    if not isinstance(value, dict) or not value.get("kind") or not value.get("apiVersion"):
        place = document.place(within)
        if PurePath(place.rpartition(":")[0]).name == CHART:
            raise ManifestError(
                f"{place}: this is a Helm chart: render it first ('helm template CHART'), and give -f -"
            )
        raise ManifestError(f"{place}: an object needs apiVersion and kind: add them")
    items = value.get("items") if str(value["kind"]).endswith("List") else None
    if items is None and "items" in value and not (value.get("metadata") or {}).get("name"):  # Go writes null
        return
    if not isinstance(items, list):
        yield Manifest(value, document, within)
        return
    kind = str(value["kind"]).removesuffix("List")
    for number, item in enumerate(items):
        typed = {"apiVersion": value["apiVersion"], "kind": kind, **item} if isinstance(item, dict) and kind else item
        yield from _checked(typed, document, (*within, "items", number))


def _documents(text: Text) -> Iterator[tuple[int, int, Any]]:
    content = text.content
    if content.lstrip()[:1] == "{":
        try:
            yield 0, 0, msgspec.json.decode(content)
        except msgspec.DecodeError:
            pass  # YAML's flow style begins so too
        else:
            return
    try:
        yield from yaml_values.documents(content)
    except yaml.YAMLError as error:
        raise ManifestError(_fault(text, error)) from None


def _fault(text: Text, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    if isinstance(error, yaml_values.TooManyValuesError):
        return f"{text.name}:{line}: {error.problem}"
    if "{{" in text.content:
        return (
            f"{text.name}:{line}: this is a template, not YAML: render it first ('helm template CHART'), and give -f -"
        )
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or "cannot be read"
    return f"{text.name}:{line}: no YAML: {problem}"

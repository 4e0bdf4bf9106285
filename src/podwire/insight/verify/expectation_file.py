"""Read a file of expectations: YAML, with the line of each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from podwire.insight.sources.texts import absent
from podwire.insight.verify.expectations import Document, Entry, Expectation, Expectations, connections
from podwire.insight.verify.question import url_fault

MOST_BYTES = 16 << 20
MOST_CONNECTIONS = 100_000
_INDEX = re.compile(r"\$\.expectations\[(\d+)\](?:\.(\w+))?")


class ExpectationError(Exception):
    """A file that cannot be read. The text has its name, the line, and what to write."""


def read(name: str) -> Expectations:
    """Return the expectations of a file. Raises ExpectationError."""
    path = Path(name)
    if not path.exists():
        raise ExpectationError(str(absent(name)))
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ExpectationError(f"{name}: larger than {MOST_BYTES >> 20} MB: split it")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ExpectationError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    return parse(text, name)


def parse(text: str, name: str) -> Expectations:
    """Return the expectations of a text; `name` is its file. Raises ExpectationError."""
    node, value = _composed(text, name)
    if not isinstance(value, dict) or "expectations" not in value:
        raise ExpectationError(
            f"{name}:1: no list 'expectations': write entries such as"
            " '- {from: shop/frontend, to: shop/backend, port: 8080, expect: allow}' below that key"
        )
    try:
        document = msgspec.convert(value, Document)
    except msgspec.ValidationError as error:
        raise ExpectationError(_fault(name, node, str(error))) from None
    folder = Path(name).parent
    entries = tuple(_entries(document, node, name))
    if not entries:
        raise ExpectationError(f"{name}:1: the list 'expectations' is empty: write one entry for each connection")
    files = tuple(one if one == "-" else str(folder / one) for one in document.files or ["."])
    return Expectations(name, files, document.nodes, entries)


def _composed(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ExpectationError(f"{name}:{line}: no YAML: {problem}") from None
    finally:
        loader.dispose()


def _entries(document: Document, node: yaml.Node | None, name: str) -> Iterator[Expectation]:
    lines = [_line(one) for one in _items(node)]
    count = 0
    for entry, line in zip(document.expectations, lines, strict=True):
        for one in _checked(entry, f"{name}:{line}"):
            count += 1
            if count > MOST_CONNECTIONS:
                raise ExpectationError(f"{name}:{line}: more than {MOST_CONNECTIONS} connections: split the file")
            yield one


def _checked(entry: Entry, place: str) -> Iterator[Expectation]:
    for one in connections(entry, place):
        for field, text in (("from", one.source), ("to", one.destination)):
            if not text.strip():
                raise ExpectationError(f"{place}: {field} is empty: write a name such as shop/frontend")
        if "://" in one.source:
            raise ExpectationError(f"{place}: from: {one.source} is a URL: write who connects, such as shop/frontend")
        fault = url_fault(one.destination, one.port) if "://" in one.destination else ""
        if fault or ("://" in one.destination and one.protocol != "TCP"):
            raise ExpectationError(f"{place}: to: {one.destination}: {fault or 'URLs are requested by TCP'}")
        yield one


def _fault(name: str, node: yaml.Node | None, problem: str) -> str:
    """Name line, field and remedy of what msgspec found; its text ends in ' - at `$.expectations[3].port`'."""
    what, _, path = problem.partition(" - at `")
    match = _INDEX.match(path)
    if match is None:
        return f"{name}:1: {what} (fields are: expectations, files, nodes)"
    item = _items(node)[int(match[1])]
    field = match[2] or ""
    fields = ", ".join(Entry.__struct_encode_fields__)
    about = f"{field}: " if field else ""
    return f"{name}:{_line(_value(item, field) or item)}: {about}{what} (fields of an expectation are: {fields})"


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    found = _value(node, "expectations")
    return list(found.value) if isinstance(found, yaml.SequenceNode) else []


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key of a mapping."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key and isinstance(value, yaml.Node):
                return value
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1

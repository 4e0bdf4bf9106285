r"""Label and field selectors of query strings.

    labels:  key  !key  key=value  key==value  key!=value  key in (a,b)  key notin (a,b)  key>1  key<1
    fields:  path=value  path==value  path!=value        (backslash escapes `\`, `,` and `=`)

A missing label matches `!=` and `notin`. Source: k8s.io/apimachinery `labels/selector.go`, `fields/selector.go`;
selectable fields: k8s.io/kubernetes `pkg/apis/*/v1/conversion.go`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.kinds.selectable_fields import ALIASES, EVERY_KIND, SELECTABLE_FIELDS, field_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from podwire.apiserver.storage.revisions import Stored

Object = dict[str, Any]

LONGEST_SELECTOR = 64 * 1024
"""Characters. A longer one is refused before it is read."""

_KEY = re.compile(r"(?:[A-Za-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
_TOKEN = re.compile(r"\s*(!=|==|[=!(),<>]|[^\s=!(),<>]+)")


class Requirement(msgspec.Struct, frozen=True):
    """One term about labels. Operators: in, notin, exists, absent, greater, less."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether it is true of these labels."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            left, right = int(value or ""), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "greater" else left < right


class FieldTerm(msgspec.Struct, frozen=True):
    """One term about a field."""

    path: str
    value: str
    equal: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch selects: a namespace (empty: all), and terms that must all hold."""

    namespace: str = ""
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    @property
    def selects_all(self) -> bool:
        """Whether no selector narrows the collection."""
        return not self.labels and not self.fields

    def matches(self, stored: Stored) -> bool:
        """Whether the object is selected."""
        if self.namespace and stored.key.namespace != self.namespace:
            return False
        return all(term.holds(stored.labels) for term in self.labels) and all(
            (_field(stored, term.path) == term.value) is term.equal for term in self.fields
        )


def selection(
    storage: str,
    namespace: str,
    label_selector: str,
    field_selector: str,
    more_fields: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
) -> Selection:
    """Parse both selectors of a request; raises StatusError 400 where one is malformed or names an unknown field.

    `more_fields` are those that the definition of a kind of a user makes selectable; `names` maps the names
    of a resource's fields to those of its storage, where they differ.
    """
    if max(len(label_selector), len(field_selector)) > LONGEST_SELECTOR:
        raise status.bad_request(f"the selector is longer than {LONGEST_SELECTOR} characters: shorten it")
    own = {path: path for path in (*(path for path, _ in SELECTABLE_FIELDS.get(storage, ())), *more_fields)}
    own |= ALIASES.get(storage, {})
    terms = _parse_fields(field_selector, {**EVERY_KIND, **(own if names is None else names)})
    return Selection(namespace, tuple(_parse_labels(label_selector)), tuple(terms))


def _field(stored: Stored, path: str) -> str:
    if path == "metadata.name":
        return stored.key.name
    if path == "metadata.namespace":
        return stored.key.namespace
    found = stored.fields.get(path)
    return field_text(stored.object(), tuple(path.split(".")), "") if found is None else found


def _parse_fields(text: str, known: Mapping[str, str]) -> Iterator[FieldTerm]:
    for term in re.split(r"(?<!\\),", text) if text else ():
        match = re.fullmatch(r"([^=!]*)(!=|==|=)(.*)", term, re.DOTALL)
        if match is None:
            raise status.bad_request(f'invalid field selector "{term}"; write path=value or path!=value')
        path, operator, value = match[1].strip(), match[2], re.sub(r"\\([\\,=])", r"\1", match[3])
        if path not in known:
            raise status.bad_request(_unknown_field(path, known))
        yield FieldTerm(known[path], value, operator != "!=")


def _unknown_field(path: str, known: Mapping[str, str]) -> str:
    """Upstream's message; where a kind has fields of its own, it lists them too."""
    if known.keys() == EVERY_KIND.keys():
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {path}; supported: {', '.join(sorted(known))}"


def _parse_labels(text: str) -> Iterator[Requirement]:
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise _unparsable(text)
    position = 0
    while position < len(tokens):
        requirement, position = _parse_requirement(text, tokens, position)
        yield requirement
        if position < len(tokens):
            if tokens[position] != "," or position + 1 == len(tokens):
                raise _unparsable(text)
            position += 1


def _parse_requirement(text: str, tokens: list[str], at: int) -> tuple[Requirement, int]:
    """One requirement that begins at a token, and the position after it."""
    if tokens[at] == "!":
        return Requirement(_checked_key(text, tokens, at + 1), "absent"), at + 2
    key = _checked_key(text, tokens, at)
    operator = tokens[at + 1] if at + 1 < len(tokens) else ","
    if operator == ",":
        return Requirement(key, "exists"), at + 1
    if operator in {"in", "notin"}:
        values, after = _parse_values(text, tokens, at + 2)
        return Requirement(key, operator, frozenset(values)), after
    if operator not in {"=", "==", "!=", "<", ">"}:
        raise _unparsable(text)
    value = tokens[at + 2] if at + 2 < len(tokens) and tokens[at + 2] != "," else ""
    operators = {"=": "in", "==": "in", "!=": "notin", "<": "less", ">": "greater"}
    return Requirement(key, operators[operator], frozenset({_checked_value(text, value)})), at + 2 + bool(value)


def _parse_values(text: str, tokens: list[str], at: int) -> tuple[list[str], int]:
    """The values between brackets, an empty one included, and the position after them."""
    if tokens[at : at + 1] != ["("] or ")" not in tokens[at:]:
        raise _unparsable(text)
    end = tokens.index(")", at)
    values = [""]
    for part in tokens[at + 1 : end]:
        if part == ",":
            values.append("")
        elif values[-1]:
            raise _unparsable(text)
        else:
            values[-1] = _checked_value(text, part)
    return values, end + 1


def _checked_key(text: str, tokens: list[str], at: int) -> str:
    if at >= len(tokens) or not _KEY.match(tokens[at]):
        raise _unparsable(text)
    return tokens[at]


def _checked_value(text: str, value: str) -> str:
    if not _VALUE.match(value):
        raise _unparsable(text)
    return value


def _unparsable(text: str) -> status.StatusError:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return status.bad_request(f'unable to parse requirement: label selector "{shown}" is malformed')

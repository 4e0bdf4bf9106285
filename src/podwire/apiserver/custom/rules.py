"""The CEL rules of a schema (`x-kubernetes-validations`), evaluated on a value and the one before it.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/cel/validation.go`; kubernetes.io "Validation rules".
"""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.encoding import encode
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.custom import cel
from podwire.apiserver.custom.cel_values import to_cel
from podwire.apiserver.custom.keyed_lists import item_key
from podwire.apiserver.custom.structural import Structural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.custom.cel import Expression
    from podwire.apiserver.custom.structural import Rule

log = logging.getLogger(__name__)

OLD = "oldSelf"
_REASONS = {
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
}
_ABSENT = object()
_TOO_DEAR = "call cost exceeds limit for rule"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A rule that is stored and not evaluated: its place in the schema, and the reason."""

    path: str
    rule: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}: {self.why}"


def problems(schema: Structural, value: Any, old: Any, *, transitions: bool = True) -> Iterator[Cause]:
    """Return what the rules refuse in an object that its schema allows; `old` is the former one or None.

    `transitions`: whether some rule reads the former value. Without any, parts that did not change are left out: they
    were accepted (KEP-4008).
    """
    return _problems(schema, value, _ABSENT if old is None else old, "", (True, transitions))


def unusable(schema: Structural, path: str) -> Iterator[Unusable]:
    """The rules of a schema that cannot be evaluated here; `path` is that of the schema."""
    for rule in schema.rules:
        for source in filter(None, (rule.rule, rule.message_expression)):
            try:
                _expression(source)
            except cel.NotCompiledError as error:
                yield Unusable(path, source, str(error))
    for name, inner in schema.properties.items():
        yield from unusable(inner, f"{path}.{name}")
    if schema.items is not None:
        yield from unusable(schema.items, f"{path}.items")
    if isinstance(schema.additional, Structural):
        yield from unusable(schema.additional, f"{path}.additionalProperties")


def _problems(schema: Structural, value: Any, old: Any, path: str, of: tuple[bool, bool]) -> Iterator[Cause]:
    """`of`: whether the value is the object itself, and whether some rule reads the former value."""
    root, transitions = of
    if value is None or (not transitions and _unchanged(value, old)):
        return
    if schema.rules:
        yield from _own(schema, value, old, path, root=root)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, inner in value.items():
            declared = schema.child(name)
            if declared is not None:
                inner_path = f"{path}.{name}" if path else name
                yield from _problems(declared, inner, before.get(name, _ABSENT), inner_path, (False, transitions))
    elif isinstance(value, list) and schema.items is not None:
        before = _correlated(schema, old)
        for position, item in enumerate(value):
            former = before.get(item_key(schema, item), _ABSENT) if before else _ABSENT
            yield from _problems(schema.items, item, former, f"{path}[{position}]", (False, transitions))


def _unchanged(value: Any, old: Any) -> bool:
    """Whether a value is the former one; in Python alone 1 is True too."""
    return type(value) is type(old) and value == old and encode(value) == encode(old)


def _correlated(schema: Structural, old: Any) -> dict[str, Any]:
    """Former items by key: only items of a list of type map have a former value."""
    if schema.list_type != "map" or not isinstance(old, list):
        return {}
    return {item_key(schema, item): item for item in old}


def _own(schema: Structural, value: Any, old: Any, path: str, *, root: bool) -> Iterator[Cause]:
    scopes = _Scopes(to_cel(schema, value, root=root), None if old is _ABSENT else to_cel(schema, old, root=root))
    longest = _longest(value)
    for rule in schema.rules:
        try:
            expression = _expression(rule.rule)
        except cel.NotCompiledError:
            continue
        if not expression.affordable(longest):
            yield Cause(path or "<nil>", "FieldValueInvalid", f"Invalid value: {_TOO_DEAR}: {rule.rule}")
            continue
        known = scopes.of(rule, expression)
        if known is not None:
            yield from _evaluate(rule, expression, known, _place(value, path, rule))


class _Scopes:
    """The variables of the rules of one value, each combination made once."""

    def __init__(self, value: Any, former: Any) -> None:
        self._value = value
        self._former = former
        self._made: dict[str, Any] = {}

    def of(self, rule: Rule, expression: Expression) -> Any:
        """The variables of a rule; None for a transition rule of a value that is new."""
        if rule.optional_old_self:
            return self._scope("optional", {OLD: cel.optional(self._former)})
        if OLD not in expression.variables:
            return self._scope("", {})
        return None if self._former is None else self._scope("former", {OLD: self._former})

    def _scope(self, name: str, more: dict[str, Any]) -> Any:
        if name not in self._made:
            self._made[name] = cel.scope({"self": self._value, **more})
        return self._made[name]


def _longest(value: Any) -> int:
    """How many items the longest list or map inside a value has."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(len(inner), max(map(_longest, inner), default=0))


def _evaluate(rule: Rule, expression: Expression, known: Any, place: tuple[str, Any]) -> Iterator[Cause]:
    path, shown = place
    try:
        if expression.evaluate_in(known) is True:
            return
        detail = _message(rule, known)
    except cel.EvaluationError as error:
        detail = f"{error} evaluating rule: {rule.message.strip() or rule.rule.strip()}"
    reason = rule.reason or "FieldValueInvalid"
    word = _REASONS.get(reason, "Invalid value")
    if reason in {"FieldValueInvalid", "FieldValueDuplicate"} and not isinstance(shown, dict | list):
        word = f"{word}: {json.dumps(shown, ensure_ascii=False)}"
    yield Cause(path, reason, f"{word}: {detail}")


def _message(rule: Rule, known: Any) -> str:
    if rule.message_expression:
        try:
            text = _expression(rule.message_expression).evaluate_in(known)
        except (cel.EvaluationError, cel.NotCompiledError) as error:
            log.info("the messageExpression %r is not used: %s", rule.message_expression, error)
        else:
            if isinstance(text, str) and text.strip() and "\n" not in text:
                return text.strip()
    return rule.message.strip() or f"failed rule: {' '.join(rule.rule.split())}"


def _place(value: Any, path: str, rule: Rule) -> tuple[str, Any]:
    """The field that a rule's error names, and the value that it shows."""
    if not rule.field_path:
        return path or "<nil>", value
    return f"{path}{rule.field_path}".removeprefix("." if not path else ""), {}


@functools.lru_cache(maxsize=2048)
def _expression(source: str) -> Expression:
    return cel.compiled(source)

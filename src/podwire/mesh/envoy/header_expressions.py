"""Headers whose every value must match, as an expression of CEL in its parsed form: no text is parsed.

Envoy's RBAC filter compares each line of a repeated header by itself, and one that matches is enough. CEL has the lines
joined by commas.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any

from google.api.expr.v1alpha1 import syntax_pb2

_EXPR = syntax_pb2.Expr


def all_values_match(name: str, expression: str) -> Any:
    """Return whether there is such a header and its values, joined by commas, match an expression (RE2) as a whole."""
    headers = _EXPR(select_expr=_EXPR.Select(operand=_EXPR(ident_expr=_EXPR.Ident(name="request")), field="headers"))
    key = _text(name)
    value = _call("_[_]", headers, key)
    return both(_call("@in", key, headers), _call("matches", value, _text(f"^(?:{expression})$")))


def negated(one: Any) -> Any:
    """Return the contrary."""
    return _call("!_", one)


def both(left: Any, right: Any) -> Any:
    """Return whether both hold; the second is not looked at where the first does not."""
    return _call("_&&_", left, right)


def all_of(expressions: Iterable[Any]) -> Any:
    """Return whether all hold, of at least one, with the numbers that each part must have."""
    made = functools.reduce(both, expressions)
    _number(made, itertools.count(1))
    return made


def _number(one: Any, numbers: Iterable[int]) -> None:
    one.id = next(iter(numbers))
    if one.HasField("call_expr"):
        for each in one.call_expr.args:
            _number(each, numbers)
    elif one.HasField("select_expr"):
        _number(one.select_expr.operand, numbers)


def _text(value: str) -> Any:
    return _EXPR(const_expr=syntax_pb2.Constant(string_value=value))


def _call(function: str, *arguments: Any) -> Any:
    return _EXPR(call_expr=_EXPR.Call(function=function, args=arguments))

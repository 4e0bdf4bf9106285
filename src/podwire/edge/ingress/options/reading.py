"""From the ConfigMap of all Ingresses to its values, and what of it is not honoured. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.ingress.annotations.grammar import LONGEST, InvalidValueError
from podwire.edge.ingress.annotations.settings import DEFAULTS as OF_ANNOTATIONS
from podwire.edge.ingress.annotations.settings import Problem, Settings
from podwire.edge.ingress.options.options import KEY, USUAL, Options
from podwire.edge.ingress.options.table import DEFAULTS, PROTECTS, TABLE


class ReadOptions(msgspec.Struct, frozen=True):
    """The options and the defaults of annotations.

    Attributes:
        denied: why all Ingresses answer 503: a key that protects is not honoured. Empty: they do not.

    """

    options: Options = USUAL
    defaults: Settings = OF_ANNOTATIONS
    problems: tuple[Problem, ...] = ()
    denied: str = ""


def read(data: Mapping[str, str]) -> ReadOptions:
    """Return the settings of the ConfigMap. A key that is not valid has its default."""
    options: dict[str, object] = {}
    defaults: dict[str, object] = {}
    problems: list[Problem] = []
    denied = ""
    for name, text in sorted(data.items()):
        problem = _read_one(name, text, defaults if name in DEFAULTS else options)
        if problem is not None:
            problems.append(problem)
            if name in PROTECTS and not denied:
                denied = problem.message
    made = msgspec.structs.replace(OF_ANNOTATIONS, **defaults)
    return ReadOptions(Options(**options), made, tuple(problems), denied)  # type: ignore[arg-type]


def _read_one(name: str, text: str, values: dict[str, object]) -> Problem | None:
    row, place = TABLE.get(name), f"ConfigMap {KEY}: {name}"
    if row is None:
        return Problem(name, "UnknownOption", f"{place} is not known: remove it, or correct its name")
    if row.grammar is None:
        effect = "is not supported, so all Ingresses answer 503" if name in PROTECTS else "has no effect"
        return Problem(name, "UnsupportedOption", f"{place} {effect}: {row.note}")
    if len(text) > LONGEST:
        return Problem(name, "InvalidOption", f"{place}: at most {LONGEST} characters are expected: shorten it")
    try:
        value = row.grammar(text.strip())
    except InvalidValueError as error:
        return Problem(name, "InvalidOption", f"{place}: {error}: correct the value, or remove the key")
    if row.ignores(value):
        return Problem(name, "UnsupportedOption", f"{place} has no effect: {row.note}")
    values[row.field] = value
    return None

"""The CEL library, loaded with the first rule: `common-expression-language` (Rust, dynamically typed).

Only its engine is loaded: the package's own `__init__` brings a command line and 27 MB with it. What it gets wrong or
does not have is put right here: `size` of a text counts characters, not bytes; an absent optional is null; Kubernetes'
functions are in `cel_functions`.

An expression with a function or a syntax that is not known is refused when it is compiled, never half-way through an
object. Source: github.com/google/cel-spec; kubernetes.io "Common Expression Language in Kubernetes".
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_STEPS = 250_000
"""How often the inside of nested macros may run for one rule: about a second. Upstream counts costs instead."""

LONGEST_EXPRESSION = 64 * 1024
"""Characters. Deep nesting is refused by the library itself."""

_TOKEN = re.compile(
    r"""
    [rR]?"{3}(?:[^\\]|\\.)*?"{3} | [rR]?'{3}(?:[^\\]|\\.)*?'{3}   # texts over several lines
    | [rR]"[^"\n]*" | [rR]'[^'\n]*'                               # texts without escapes
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
    | [A-Za-z_]\w* | .
    """,
    re.DOTALL | re.VERBOSE,
)
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
_RENAMED = {
    "size": "size_of",
    "min": "least",
    "max": "greatest",
    "hasValue": "has_value",
    "value": "value_of",
    "orValue": "or_value",
}
_TIME = (
    "FullYear",
    "Month",
    "Date",
    "DayOfMonth",
    "DayOfWeek",
    "DayOfYear",
    "Hours",
    "Minutes",
    "Seconds",
    "Milliseconds",
)
_TYPES = ("duration", "timestamp", "int", "uint", "double", "string", "bool", "bytes", "type", "dyn")
_TEXTS = ("matches", "contains", "startsWith", "endsWith")
_BUILTIN = frozenset((*_TYPES, *_TEXTS, *(f"get{part}" for part in _TIME), "of", "none"))


class NotCompiledError(ValueError):
    """An expression that cannot be evaluated here; the text is the reason."""


class EvaluationError(ValueError):
    """An expression failed on a value, such as by a missing key."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    `variables` are the names that it uses, those of its macros included; `depth` is how many macros that walk
    through a list (all, exists, map and the like) are nested.
    """

    source: str
    variables: frozenset[str]
    depth: int
    program: Any

    def affordable(self, longest: int) -> bool:
        """Whether it may run on a value whose longest list has so many items."""
        return int(longest**self.depth) <= MOST_STEPS

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Its value; raises EvaluationError."""
        return self.evaluate_in(scope(variables))

    def evaluate_in(self, known: Any) -> Any:
        """Its value, with variables that `scope` made; raises EvaluationError."""
        try:
            return self.program.execute(known)
        except KeyError as error:
            raise EvaluationError(f"no such key: {error.args[0]}") from error
        except Exception as error:
            raise EvaluationError(str(error).partition("\n")[0]) from error


def compiled(source: str, more: frozenset[str] = frozenset()) -> Expression:
    """The expression of a text; raises NotCompiledError. `more` are functions that its scope will have, too."""
    if len(source) > LONGEST_EXPRESSION:
        raise NotCompiledError(f"the expression is longer than {LONGEST_EXPRESSION} characters")
    try:
        program = _engine().compile(_translated(source))
    except ValueError as error:
        raise NotCompiledError(" ".join(str(error).split())) from error
    used = {name for name in program.functions() if re.fullmatch(r"[A-Za-z]\w*", name)}
    unknown = sorted(used - _BUILTIN - _functions().keys() - more)
    if unknown:
        raise NotCompiledError(f"unknown functions: {', '.join(unknown)}")
    return Expression(source, frozenset(program.variables()), _depth(source), program)


def scope(variables: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Any:
    """Variables for several expressions: making it costs twenty times what an expression does.

    `more` are functions beside those that every expression has.
    """
    return _engine().Context({**_CONSTANTS, **variables}, {**_functions(), **more} if more else _functions())


def optional(value: Any) -> Any:
    """A CEL optional; None is no value."""
    kind = _engine().OptionalValue
    return kind.none() if value is None else kind.of(value)


def pattern_found(pattern: str, text: str) -> bool:
    """Whether an RE2-like pattern matches anywhere in a text; a broken one matches."""
    try:
        return matches_in(text, pattern)
    except RuntimeError:
        return True


def matches_in(text: str, pattern: str) -> bool:
    """Whether an RE2-like pattern matches anywhere in a text; raises RuntimeError for a broken one."""
    return bool(_matching().execute({"text": text, "pattern": pattern}))


def pattern_problem(pattern: str) -> str:
    """Why a pattern cannot be used; empty where it can."""
    try:
        _matching().execute({"text": "", "pattern": pattern})
    except RuntimeError as error:
        return str(error)
    return ""


def _translated(source: str) -> str:
    """The expression with those functions renamed that replace the library's own."""
    tokens = _TOKEN.findall(source)
    words = [token for token in tokens if not token.isspace()]
    around = iter(zip(["", *words], [*words[1:], ""], strict=False))
    return "".join(token if token.isspace() else _renamed(token, *next(around)) for token in tokens)


def _renamed(word: str, before: str, after: str) -> str:
    """The library has `text.matches(pattern)` but not `matches(text, pattern)`."""
    if after != "(":
        return word
    return "matches_in" if word == "matches" and before != "." else _RENAMED.get(word, word)


def _depth(source: str) -> int:
    """How deep macros are nested."""
    open_calls: list[bool] = []
    deepest, before = 0, ""
    for word in _TOKEN.findall(source):
        if word == "(":
            open_calls.append(before in _MACROS)
            deepest = max(deepest, sum(open_calls))
        elif word == ")" and open_calls:
            open_calls.pop()
        before = word
    return deepest


@functools.cache
def _functions() -> dict[str, Any]:
    from podwire.apiserver.custom import cel_functions

    return {**cel_functions.FUNCTIONS, "matches_in": matches_in}


_CONSTANTS = {"format": "format"}
"""Namespaces of functions: `format.dns1123Label()` is a call on this value."""


@functools.cache
def _matching() -> Any:
    return _engine().compile("text.matches(pattern)")


@functools.cache
def _engine() -> Any:
    package = importlib.util.find_spec("cel")
    if package is None or not package.submodule_search_locations:
        raise NotCompiledError("CEL rules need the package common-expression-language")
    loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    finder = importlib.machinery.FileFinder(package.submodule_search_locations[0], loaders)
    found = finder.find_spec("cel")
    if found is None or found.loader is None:
        raise NotCompiledError("the package common-expression-language has no engine for this Python")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module

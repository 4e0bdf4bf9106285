r"""Regular expressions of schemas. They are Go's (RE2); Python's `re` runs those that mean the same in both.

    RE2            Python
    $              \Z       the end of the text only
    \z             \Z
    (?i) inside    (?i:...) flags that do not stand at the start hold to the end of their group

Whatever else Python does not understand (`[[:alpha:]]`, `\p{L}`) is left to the CEL library, whose engine is like RE2.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from podwire.apiserver.custom import cel

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\$|.", re.DOTALL)
_FOREIGN = re.compile(r"\[\[?:\w+:\]|\\[pP][{\w]|\(\?[a-zA-Z-]+\)|\\[CQ]|\[:\w+:\]")


def found(pattern: str, text: str) -> bool:
    """Whether a pattern matches anywhere in a text; a pattern that no engine understands matches everything."""
    return _matcher(pattern)(text)


def problem(pattern: str) -> str:
    """Why a pattern cannot be used; empty where it can."""
    if _FOREIGN.search(pattern) is None:
        try:
            re.compile(_translated(pattern))
        except re.error as error:
            return str(error)
        return ""
    return cel.pattern_problem(pattern)


@functools.lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Callable[[str], bool]:
    if _FOREIGN.search(pattern) is None:
        try:
            compiled = re.compile(_translated(pattern))
        except re.error:
            return lambda _: True
        return lambda text: compiled.search(text) is not None
    return functools.partial(cel.pattern_found, pattern)


def _translated(pattern: str) -> str:
    return "".join({"$": r"\Z", r"\z": r"\Z"}.get(token, token) for token in _TOKEN.findall(pattern))

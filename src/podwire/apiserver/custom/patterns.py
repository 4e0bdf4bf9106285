r"""Regular expressions of schemas: Go's RE2, searched in time that grows with the text and not faster.

Python's `re` tries again and again where a pattern can match in many ways: Gateway API's `^[!-~]+([\t ]?[!-~]+)*$`
takes it 2^n steps for a text of n letters that does not match, and one object could stop the server.
"""

from __future__ import annotations

import functools

from podwire.apiserver.custom import cel

REMEMBERED_LENGTH = 256
"""Characters. Names and kinds come again and again; their results are kept, those of longer texts are not."""


def found(pattern: str, text: str) -> bool:
    """Whether a pattern matches anywhere in a text; a pattern that no engine understands matches everything."""
    return _remembered(pattern, text) if len(text) <= REMEMBERED_LENGTH else cel.pattern_found(pattern, text)


def problem(pattern: str) -> str:
    """Why a pattern cannot be used; empty where it can."""
    return cel.pattern_problem(pattern)


@functools.lru_cache(maxsize=8192)
def _remembered(pattern: str, text: str) -> bool:
    return cel.pattern_found(pattern, text)

"""Replacement of paths, alike for forwarded and for redirected requests (HTTPPathModifier)."""

from __future__ import annotations

import re
from typing import Any

from envoy.type.matcher.v3 import regex_pb2

from podwire.edge.model.filters import Substitution
from podwire.edge.model.matches import PathMatch, PathType


def whole(path: str) -> Any:
    """Return the replacement of the whole path; the query stays."""
    return _replace("^/.*$", path)


def substituted(substitution: Substitution) -> Any:
    """Return the replacement by an expression of RE2."""
    return regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=substitution.expression), substitution=substitution.replacement
    )


def prefix(match: PathMatch, replacement: str) -> dict[str, Any]:
    """Return the arguments that replace the prefix of `match`: `/foo/bar` by `/xyz` or `/xyz/` becomes `/xyz/bar`."""
    replaced = replacement.rstrip("/")
    matched = match.value.rstrip("/")
    if match.type is not PathType.PREFIX:
        return {}
    if not matched:
        return {"prefix_rewrite": f"{replaced}/"}
    if replaced:
        return {"prefix_rewrite": replaced}
    case = "(?i)" if match.ignore_case else ""
    return {"regex_rewrite": _replace(f"{case}^{re.escape(matched)}/*", "/")}


def _replace(pattern: str, replacement: str) -> Any:
    """A backslash in a substitution is a command of RE2, so it is doubled."""
    return regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=pattern), substitution=replacement.replace("\\", "\\\\")
    )

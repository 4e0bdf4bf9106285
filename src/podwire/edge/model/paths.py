"""Paths as a proxy at the edge has them: normalised before they are matched, and replaced where a route does so. Pure.

Source: RFC 3986, 5.2.4 and 6.2.2; Envoy's `source/common/http/path_utility.cc` (normalize_path, merge_slashes).
"""

from __future__ import annotations

import re

from podwire.edge.model.filters import Substitution
from podwire.edge.model.matches import PathMatch, PathType

_ESCAPED_SLASH = re.compile("%(2f|5c)", re.IGNORECASE)
_ESCAPED = re.compile("%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def without_escaped_slashes(path: str) -> str | None:
    """Return the path to which a client is redirected; None where the path has no escaped slash."""
    found = _ESCAPED_SLASH.sub(lambda one: "/" if one[1].lower() == "2f" else "\\", path)
    return normalised(found) if found != path else None


def normalised(path: str) -> str:
    """Return the path without dot segments, repeated slashes and needless escapes. `path` begins with a slash.

    Parameters of a dot segment, as in `/a/..;x/b`, go with it (Envoy 1.40, tried).
    """
    path = _ESCAPED.sub(_unescaped, path.replace("\\", "/"))
    found: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        dots = segment.partition(";")[0]
        if dots == "..":
            found = found[:-1]
        elif dots != ".":
            found.append(segment)
    if segments[-1].partition(";")[0] in (".", ".."):
        found.append("")
    return re.sub("/+", "/", f"/{'/'.join(found)}")


def replaced(path: str, match: PathMatch, full: str | None, prefix: str | None) -> str:
    """Return the path after a replacement of all of it, or of the prefix that matched; as it is where both are None."""
    if full is not None:
        return full
    if prefix is None or match.type is not PathType.PREFIX:
        return path
    rest = path[len(match.value.rstrip("/")) :].lstrip("/")
    desired = prefix.rstrip("/")
    if not rest and desired and not path.endswith("/"):
        return desired
    return f"{desired}/{rest}"


def substituted(path: str, substitution: Substitution) -> str:
    """Return the path after a substitution; as it is where the expression is none of this language."""
    try:
        return re.sub(substitution.expression, substitution.replacement, path)
    except re.error:
        return path


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0]

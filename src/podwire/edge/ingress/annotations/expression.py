"""Regular expressions of annotations and paths: what of PCRE is in RE2 too, and the targets of rewrites. Pure.

Source: nginx `ngx_http_rewrite_module` and `ngx_http_core_module` (location ~*); RE2's syntax.
"""

from __future__ import annotations

import re

from podwire.edge.gateway.expressions import expression_problem
from podwire.edge.ingress.annotations.grammar import InvalidValueError

NOTE = "a regular expression of RE2: no look-around, no back-references, no possessive quantifiers"
LONGEST_EXPRESSION = 1024
_GROUP = re.compile(r"\$(?:([0-9])|\{([0-9])\})")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_ANY = "(?s:.*)"


def expression(text: str) -> str:
    """Return a regular expression of RE2. Raises InvalidValueError."""
    if len(text) > LONGEST_EXPRESSION:
        raise InvalidValueError(f"at most {LONGEST_EXPRESSION} characters are expected")
    if problem := expression_problem(text):
        raise InvalidValueError(f"{problem}: write an expression of RE2")
    return text


def target(text: str) -> str:
    """Return the target of a rewrite: a path or a URL's path with `$1` to `$9`. Raises InvalidValueError."""
    plain = _GROUP.sub("", text)
    if len(text) > LONGEST_EXPRESSION or _CONTROL.search(text):
        raise InvalidValueError("a path without spaces is expected")
    if "$" in plain:
        raise InvalidValueError("of variables only the groups $1 to $9 are known")
    if "?" in plain:
        raise InvalidValueError("a query cannot be added: write the path only")
    if text and not text.startswith(("/", "$")):
        raise InvalidValueError("a path that begins with / is expected")
    return text


def path_expression(path: str) -> str:
    """Return the expression of the whole path for one that nginx anchors at its start only, in any case."""
    return f"(?i:{path.removeprefix('^')}){_ANY}"


def substitution(path: str, rewrite: str) -> tuple[str, str]:
    """Return the expression and the substitution (RE2) of a rewrite of a path; a group that does not exist is empty."""
    groups = re.compile(path).groups
    escaped = rewrite.replace("\\", "\\\\")

    def group(found: re.Match[str]) -> str:
        number = int(found[1] or found[2])
        return f"\\{number}" if number <= groups else ""

    return f"^(?i:{path.removeprefix('^')}){_ANY}$", _GROUP.sub(group, escaped)


def containing(pattern: str) -> str:
    """Return the expression of a whole text that contains what the pattern matches."""
    return f"{_ANY}(?:{pattern}){_ANY}"

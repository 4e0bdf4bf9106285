"""Simple paths into an object, such as `.spec.replicas`: fields only, no lists.

Source: k8s.io/apiextensions-apiserver `pkg/apis/apiextensions/validation`, "simple JSON path".
"""

from __future__ import annotations

import re
from typing import Any

Object = dict[str, Any]

_FORM = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_-]*)+")


def is_simple(path: str) -> bool:
    """Whether a path names fields only."""
    return _FORM.fullmatch(path) is not None


def dotted(path: str) -> str:
    """The path without its first dot, as field selectors write it."""
    return path.removeprefix(".")


def read(obj: Object, path: str) -> Any:
    """The value at a path; None where there is none."""
    value: Any = obj
    for name in dotted(path).split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def write(obj: Object, path: str, value: Any) -> Object:
    """A copy of the object with another value at a path; objects on the way are made where they are missing."""
    name, _, rest = dotted(path).partition(".")
    inner = obj.get(name)
    return {**obj, name: write(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}

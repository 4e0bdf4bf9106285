"""Which requests a route is for."""

from __future__ import annotations

import enum

import msgspec


class PathType(enum.StrEnum):
    """How a path is compared."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"  # by path element: /foo matches /foo and /foo/bar, not /foobar
    TEXT = "TextPrefix"  # by character: /foo matches /foobar too
    REGEX = "RegularExpression"  # RE2, the whole path


class PathMatch(msgspec.Struct, frozen=True):
    """A path, without its query. A prefix has no slash at its end, but for `/`."""

    type: PathType
    value: str
    ignore_case: bool = False


class ValueType(enum.StrEnum):
    """How a header or a query parameter is compared."""

    EXACT = "Exact"
    REGEX = "RegularExpression"  # RE2, the whole value
    PRESENT = "Present"
    ABSENT = "Absent"


class ValueMatch(msgspec.Struct, frozen=True):
    """A header (its name in lower case) or a query parameter."""

    name: str
    type: ValueType
    value: str = ""


class Match(msgspec.Struct, frozen=True):
    """All of these must hold.

    Attributes:
        method: an HTTP method; empty: any.
        is_grpc: whether only gRPC requests match (content type `application/grpc`).

    """

    path: PathMatch = PathMatch(PathType.PREFIX, "/")
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    is_grpc: bool = False

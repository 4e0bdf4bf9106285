"""Requests and answers as values: what the handlers see of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.apiserver.base.authentication import User

JSON = "application/json"


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request. Header names are in lower case; `query` keeps repeated parameters."""

    method: str
    path: str
    user: User | None
    query: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    impersonation: tuple[tuple[str, str], ...] = ()
    """The headers Impersonate-*, in lower case and in order: they may come several times."""
    source: str = ""
    """The client's address."""

    def parameter(self, name: str) -> str:
        """The first value of a query parameter; empty where it is not given."""
        return self.query.get(name, ("",))[0]

    def flag(self, name: str) -> bool:
        """Whether a boolean query parameter is set, as Go reads it."""
        return name in self.query and self.parameter(name).lower() not in {"false", "0", "f"}


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole answer."""

    body: bytes
    code: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def json_response(value: Any, code: int = 200, warnings: tuple[str, ...] = ()) -> Response:
    """A value as a JSON answer."""
    return Response(encode(value), code, warnings=warnings)


def text_response(text: str, code: int = 200) -> Response:
    """A plain text answer, which a browser shall take for nothing else."""
    return Response(text.encode(), code, "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})

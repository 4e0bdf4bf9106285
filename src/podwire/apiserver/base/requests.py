"""Requests and answers as values: what the handlers see of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.storage.revisions import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.reads.watcher import Watcher
    from podwire.apiserver.streams.reverse_proxy import Hop

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


class WatchAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that goes on: the adapter sends what the watcher has until it ends."""

    watcher: Watcher
    storage: str
    warnings: tuple[str, ...] = ()


class Relay(msgspec.Struct, frozen=True, gc=False):
    """The answer comes from a node's runtime: over its unix socket, under this path and query."""

    socket: str
    path: str
    query: tuple[tuple[str, str], ...]
    streams: bool
    """Whether it is a WebSocket (exec, attach, portforward) rather than a plain body (log)."""
    protocols: tuple[str, ...] = ()
    """The WebSocket's subprotocols, the best first; an empty one stands for none at all."""


class Proxied(msgspec.Struct, frozen=True, gc=False):
    """The answer is that of a pod or node, which the runtime of its node asks."""

    hop: Hop
    body: bytes


Answer = Response | WatchAnswer | Relay | Proxied


def json_response(value: Any, code: int = 200, warnings: tuple[str, ...] = ()) -> Response:
    """A value as a JSON answer."""
    return Response(encode(value), code, warnings=warnings)


def text_response(text: str, code: int = 200) -> Response:
    """A plain text answer, which a browser shall take for nothing else."""
    return Response(text.encode(), code, "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})

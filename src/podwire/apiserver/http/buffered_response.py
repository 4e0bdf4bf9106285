"""An answer that is known whole: head and body go out in one piece, which is a third of what aiohttp takes for it.

Source: RFC 9110 (fields), RFC 9112 (framing, persistence).
"""

from __future__ import annotations

import functools
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from podwire.apiserver.base.requests import Response

_WITHOUT_BODY = frozenset({204, 304})
"""Codes whose answers end with their head (RFC 9112, 6.3)."""


class BufferedResponse:
    """What aiohttp calls on a response: it is prepared and ended, and has `keep_alive`."""

    def __init__(self, raw: web.BaseRequest, answer: Response) -> None:
        self._raw = raw
        self._answer = answer
        self.keep_alive = raw.keep_alive

    @classmethod
    def of(cls, raw: web.BaseRequest, answer: Response) -> web.StreamResponse:
        """The answer to a request, as aiohttp's handlers give it."""
        return cast("web.StreamResponse", cls(raw, answer))

    async def prepare(self, _request: web.BaseRequest) -> None:
        """Send all of it; raises ConnectionError where the client is gone."""
        transport = self._raw.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        head = head_of(self._answer, self._raw.version, keep_alive=self.keep_alive)
        transport.write(head if self._raw.method == "HEAD" else head + self._answer.body)
        await self._raw.writer.drain()

    async def write_eof(self) -> None:
        """Nothing is left to be sent."""


def head_of(answer: Response, version: tuple[int, int], *, keep_alive: bool) -> bytes:
    """The head of an answer to a request of this HTTP version."""
    headers = {"Content-Type": answer.content_type, "Cache-Control": "no-cache, private", **answer.headers}
    lines = [
        f"HTTP/{version[0]}.{version[1]} {answer.code} {_reason(answer.code)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        *(f"Warning: {text}" for text in warning_values(answer.warnings)),
        f"Date: {_date(int(time.time()))}",
    ]
    if answer.code not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {len(answer.body)}")
    if not keep_alive:
        lines.append("Connection: close")
    elif version < (1, 1):
        lines.append("Connection: keep-alive")
    return "\r\n".join((*lines, "", "")).encode()


def warning_values(warnings: tuple[str, ...]) -> Iterator[str]:
    """Warnings as values of the header Warning (RFC 7234, 5.5), without what would break a line."""
    for warning in warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        yield f'299 - "{"".join(filter(str.isprintable, text))}"'


@functools.lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


@functools.cache
def _reason(code: int) -> str:
    """The reason phrase of a status; empty for one that has none."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""

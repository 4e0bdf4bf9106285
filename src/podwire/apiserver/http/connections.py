"""Connections of clients: limits of time and size, and the answer to what is no HTTP.

Limits are those of kube-apiserver: Go's default for headers (net/http DefaultMaxHeaderBytes), 32 s until the first
request has its headers (k8s.io/apiserver `pkg/server/secure_serving.go`).
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from podwire.apiserver.base import status
from podwire.apiserver.base.encoding import encode

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 3600.0
HEADER_SECONDS = 32.0
LARGEST_HEADER = 1024 * 1024
"""Bytes of one header, and of the request line: selectors can be long."""


class Connections(web.Server):
    """Makes the protocol of each new connection."""

    def __call__(self) -> RequestHandler:
        """A handler for one connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # none is kept
            max_line_size=LARGEST_HEADER,
            max_field_size=LARGEST_HEADER,
        )


class Connection(RequestHandler):
    """One connection of a client."""

    __slots__ = ("_patience",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._patience = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._abort)

    def request_came(self) -> None:
        """Note that the first request has its headers: the connection may wait for others as long as it is kept."""
        self._patience.cancel()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer: else what short connections leave behind stays for half a minute."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _abort(self) -> None:
        """End a connection that has sent no request by now, or drips its headers to hold its place."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or a fault that got this far, with a Status object; the connection ends with it."""
        if status >= 500:
            log.error("a request of %s failed", request.remote, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        answer = web.Response(status=status, body=_refusal(status, message or ""), content_type="application/json")
        answer.force_close()
        return answer


def _refusal(code: int, message: str) -> bytes:
    if code < 500:
        first = message.strip().partition("\n")[0].rstrip(":")
        why = f"the request is no HTTP that is understood here: {first}"
        return encode(status.StatusError(code, "BadRequest", why).json())
    return encode(status.internal("this is a fault of the server; its log has the details").json())

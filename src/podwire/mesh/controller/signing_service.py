"""The HTTPS server of the signer: a node's message, its token, and the certificates or tokens."""

from __future__ import annotations

import hashlib
import logging
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from aiohttp import web

from podwire.kube.client import ApiError
from podwire.kube.token_review import TokenReviewStatus, review
from podwire.mesh.controller.signer import NotReadyError
from podwire.mesh.controller.signer_endpoint import SERVICE
from podwire.mesh.identity import exchange
from podwire.mesh.identity.admission import DeniedError, Running, node_of
from podwire.mesh.identity.authority import AuthorityError, AuthorityState
from podwire.mesh.identity.exchange import AUDIENCE, Requests, TokenRequest
from podwire.pki import authorities
from podwire.pki.certificates import CLOCK_SKEW

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.mesh.controller.node_reports import NodeReports
    from podwire.mesh.controller.signer import Signer

log = logging.getLogger(__name__)

SERVER_LIFETIME = timedelta(hours=24)
REVIEWED_SECONDS = 60.0
"""A token that was found valid is not reviewed again for this time. That its pod runs is checked each time."""
MOST_REVIEWED = 16_384
LONGEST_TOKEN = 16 * 1024


class SigningService:
    """Serves nodes while this process leads."""

    def __init__(
        self, client: Client, signer: Signer, running: Running, reports: NodeReports, server_name: str
    ) -> None:
        self._client = client
        self._signer = signer
        self._running = running
        self._reports = reports
        self._server_name = server_name
        self._reviewed: dict[bytes, tuple[float, TokenReviewStatus]] = {}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._certified_by = ""
        self._certified_until = 0.0
        self._runner: web.ServerRunner | None = None

    def certify(self, state: AuthorityState, now: datetime) -> None:
        """Use a server certificate of the active intermediate; a new one at half of its life, or of another one."""
        if self._certified_by == state.active.fingerprint and time.monotonic() < self._certified_until:
            return
        account = f"spiffe://{state.trust_domain}/ns/kube-system/sa/{SERVICE}"
        key, request = authorities.request(account)
        times = (now - CLOCK_SKEW, now + SERVER_LIFETIME)
        public = authorities.requested_key(request)
        chain = authorities.sign(state.active.pair, public, account, times, (self._server_name,))
        with tempfile.NamedTemporaryFile(prefix="podwire-mesh-") as file:  # mode 600; ssl reads files only
            file.write(chain + state.active.certificate.encode() + key)
            file.flush()
            self._context.load_cert_chain(file.name)
        self._certified_by = state.active.fingerprint
        self._certified_until = time.monotonic() + (SERVER_LIFETIME / 2).total_seconds()

    async def start(self, host: str, port: int) -> int:
        """Listen, after `certify`; returns the port. Raises OSError where it is taken."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._context)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        answer = {exchange.PATH: self._certificates, exchange.TOKENS_PATH: self._token}.get(raw.path)
        if answer is None:
            paths = f"{exchange.PATH} and {exchange.TOKENS_PATH}"
            return web.Response(status=404, text=f"not found: the only paths are {paths}\n")
        if raw.method != "POST":
            return web.Response(status=405, text="method not allowed: use POST\n")
        try:
            node = node_of(await self._review(_bearer(raw)), self._running)
            body = await answer(node, await _body(raw))
        except DeniedError as error:
            log.warning("a request from %s is refused: %s", raw.remote, error)
            return web.Response(status=403, text=f"{error}\n")
        except (NotReadyError, AuthorityError, ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return web.Response(status=503, text=f"{error}\n")
        except (msgspec.MsgspecError, ValueError) as error:
            return web.Response(status=400, text=f"this is no message of a node: {error}\n")
        return web.Response(body=body, content_type="application/json")

    async def _certificates(self, node: str, body: bytes) -> bytes:
        message = msgspec.json.decode(body, type=Requests)
        responses = await self._signer.answer(node, message, datetime.now(UTC))
        self._reports.take(node, message)
        return msgspec.json.encode(responses)

    async def _token(self, node: str, body: bytes) -> bytes:
        message = msgspec.json.decode(body, type=TokenRequest)
        return msgspec.json.encode(self._signer.issue_token(node, message, datetime.now(UTC)))

    async def _review(self, token: str) -> TokenReviewStatus:
        """Return what the API server reports about a token. Raises DeniedError, ApiError."""
        digest, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
        until, found = self._reviewed.get(digest, (0.0, TokenReviewStatus()))
        if now < until:
            return found
        found = await review(self._client, token, (AUDIENCE,))
        if found.authenticated:
            if len(self._reviewed) >= MOST_REVIEWED:
                self._reviewed.clear()
            self._reviewed[digest] = now + REVIEWED_SECONDS, found
        return found


def _bearer(raw: web.BaseRequest) -> str:
    scheme, _, token = raw.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise DeniedError("there is no bearer token")
    return token


async def _body(raw: web.BaseRequest) -> bytes:
    """Return the body. Raises ValueError where it is too long."""
    parts, size = [], 0
    async for part in raw.content.iter_any():
        size += len(part)
        if size > exchange.LARGEST_MESSAGE:
            raise ValueError(f"it is longer than {exchange.LARGEST_MESSAGE} bytes")
        parts.append(part)
    return b"".join(parts)

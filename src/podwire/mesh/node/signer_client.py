"""The node's connection to the signer: HTTPS that is verified by the mesh's own roots, and the token of this pod."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
import msgspec

from podwire.mesh.identity import exchange
from podwire.mesh.identity.exchange import IssuedToken, Requests, Responses, TokenRequest

ResponseT = TypeVar("ResponseT")

CALL_SECONDS = 20.0


class SignerError(Exception):
    """The signer cannot be reached, or refuses the node. The message has the reason."""


class RefusedError(SignerError):
    """The signer has decided that the node does not get this."""


class Source(Protocol):
    """What signs: the signer of the cluster, or a test's."""

    async def send(self, message: Requests, roots: str) -> Responses:
        """Send a message; the server is verified by these roots (PEM). Raises SignerError."""
        ...

    async def token(self, request: TokenRequest, roots: str) -> IssuedToken:
        """Request a token. Raises SignerError."""
        ...


class SignerClient:
    """Each message has a connection of its own, as a node sends one a minute: another leader is found at once.

    `token_file` is read each time: the kubelet renews it.
    """

    def __init__(self, address: str, server_name: str, token_file: str) -> None:
        self._address = address
        self._server_name = server_name
        self._token_file = token_file

    async def send(self, message: Requests, roots: str) -> Responses:
        """Send a message. Raises SignerError."""
        return await self._exchange(exchange.PATH, message, Responses, roots)

    async def token(self, request: TokenRequest, roots: str) -> IssuedToken:
        """Request a token. Raises SignerError, RefusedError."""
        return await self._exchange(exchange.TOKENS_PATH, request, IssuedToken, roots)

    async def _exchange(self, path: str, message: msgspec.Struct, kind: type[ResponseT], roots: str) -> ResponseT:
        url = f"https://{self._address}{path}"
        try:
            token = Path(self._token_file).read_text().strip()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=roots)
            status, body = await self._post(url, msgspec.json.encode(message), token, context)
        except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as error:
            raise SignerError(f"{url}: {str(error) or 'no response in time'}") from error
        if status != HTTPStatus.OK:
            failure = RefusedError if status == HTTPStatus.FORBIDDEN else SignerError
            raise failure(f"{url}: status {status}: {body[:500].decode(errors='replace').strip()}")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise SignerError(f"{url}: the response cannot be read: {error}") from error

    async def _post(self, url: str, body: bytes, token: str, context: ssl.SSLContext) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with aiohttp.ClientSession(timeout=timeout) as session:
            call = session.post(
                url,
                data=body,
                headers=headers,
                ssl=context,
                server_hostname=self._server_name,
                allow_redirects=False,
            )
            async with call as response:
                return response.status, await response.read()

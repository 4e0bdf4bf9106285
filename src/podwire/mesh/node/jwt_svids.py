"""The tokens (JWT-SVID) of a node's pods: requested when a pod does, kept for half of their life, verified for pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.mesh.identity import jwt_svid
from podwire.mesh.identity.exchange import TokenRequest
from podwire.mesh.node import token_messages
from podwire.mesh.node.signer_client import RefusedError
from podwire.mesh.node.token_messages import MessageError

if TYPE_CHECKING:
    from podwire.mesh.identity.exchange import IssuedToken
    from podwire.mesh.identity.spiffe import Spiffe
    from podwire.mesh.node.certificates import Certificates
    from podwire.mesh.node.signer_client import Source

MOST_KEPT = 4096
PASSED = 0.5
"""The part of its life after which a token is requested again."""


class _Kept(msgspec.Struct, frozen=True, gc=False):
    token: str
    until: float


class JwtSvids:
    """Answers what pods send about tokens. A token that is kept costs no message to the signer."""

    def __init__(
        self,
        source: Source,
        certificates: Certificates,
        trust_domain: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._certificates = certificates
        self._trust_domain = trust_domain
        self._clock = clock
        self._kept: dict[TokenRequest, _Kept] = {}

    async def fetch(self, caller: Spiffe, body: bytes) -> bytes:
        """Return a JWTSVIDResponse to a JWTSVIDRequest. Raises MessageError, SignerError, RefusedError."""
        request = token_messages.svid_request(body)
        _check_audiences(request.audiences)
        if request.id not in {"", str(caller)}:
            raise RefusedError(f"the caller is {caller}: it gets no token of another identity")
        token = await self._token(TokenRequest(str(caller), request.audiences))
        return token_messages.svids(str(caller), token)

    async def validate(self, body: bytes) -> bytes:
        """Return a ValidateJWTSVIDResponse. Raises MessageError, TokenError."""
        request = token_messages.validate_request(body)
        _check_audiences((request.audience,))
        keys = self._certificates.bundle.token_keys
        found = jwt_svid.check(request.token, request.audience, self._trust_domain, keys, datetime.now(UTC))
        return token_messages.validated(found.id, found.claims)

    def bundles(self) -> bytes | None:
        """Return a JWTBundlesResponse; None while no keys are known."""
        keys = self._certificates.bundle.token_keys
        return token_messages.bundles(self._trust_domain, keys) if keys else None

    async def _token(self, request: TokenRequest) -> str:
        kept = self._kept.get(request)
        if kept is not None and self._clock() < kept.until:
            return kept.token
        issued = await self._source.token(request, self._certificates.bundle.roots)
        self._keep(request, issued)
        return issued.token

    def _keep(self, request: TokenRequest, issued: IssuedToken) -> None:
        now = self._clock()
        if len(self._kept) >= MOST_KEPT:
            self._kept = {key: one for key, one in self._kept.items() if now < one.until}
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[request] = _Kept(issued.token, now + issued.seconds * PASSED)


def _check_audiences(audiences: tuple[str, ...]) -> None:
    if problem := jwt_svid.problem(audiences):
        raise MessageError(problem)

"""Signs what nodes request, once it is written down for whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from podwire.mesh.controller import authority_store
from podwire.mesh.identity import jwt_svid, ledger
from podwire.mesh.identity.admission import Denial, DeniedError, Running, check
from podwire.mesh.identity.authority import AuthorityState
from podwire.mesh.identity.exchange import (
    MOST_REQUESTS,
    CertificateRequest,
    Issued,
    IssuedToken,
    Requests,
    Responses,
    TokenRequest,
)
from podwire.mesh.identity.ledger import Entry
from podwire.mesh.identity.rotation import Lifetimes
from podwire.pki import authorities
from podwire.pki.certificates import CLOCK_SKEW
from podwire.pki.jwt import SigningKey

if TYPE_CHECKING:
    from podwire.kube.client import Client

log = logging.getLogger(__name__)


class NotReadyError(Exception):
    """Nothing can be signed now. The message has the reason."""


class Signer:
    """The authority as it is now, and what may be signed by it."""

    def __init__(self, client: Client, running: Running, lifetimes: Lifetimes) -> None:
        self._client = client
        self._running = running
        self._lifetimes = lifetimes
        self._state: AuthorityState | None = None
        self._denial = Denial()
        self._locks: dict[str, asyncio.Lock] = {}
        self._token_key: tuple[str, SigningKey] | None = None
        """The key of tokens as text and as it is used."""
        self.signed = 0
        self.refused = 0
        self.tokens_signed = 0
        self.tokens_refused = 0

    def use(self, state: AuthorityState, denial: Denial) -> None:
        """Sign by this state from now on, and nothing that is denied."""
        self._state, self._denial = state, denial

    async def answer(self, node: str, message: Requests, now: datetime) -> Responses:
        """Return the certificates of a node; all are in its ledger. Raises NotReadyError, ApiError, AuthorityError."""
        state = self._valid_state(now)
        if len(message.requests) > MOST_REQUESTS:
            raise NotReadyError(f"more than {MOST_REQUESTS} requests in one message: send several messages")
        found = [self._signed(one, node, state, now) for one in message.requests]
        entries = [entry for _, entry in found if entry is not None]
        if entries:
            await self._write(node, entries, now)
        self.signed += len(entries)
        self.refused += len(found) - len(entries)
        return Responses(now, state.active.fingerprint, tuple(issued for issued, _ in found))

    def issue_token(self, node: str, request: TokenRequest, now: datetime) -> IssuedToken:
        """Return a token of an identity of a node. Raises NotReadyError, DeniedError, ValueError.

        It is in no ledger: it ends before a list of what is revoked would be read.
        """
        state = self._valid_state(now)
        if problem := jwt_svid.problem(request.audiences):
            raise ValueError(problem)
        if not state.active.token_key:
            raise NotReadyError("the authority has no key for tokens yet")
        try:
            found = check(request.id, node, state.trust_domain, self._running, self._denial)
        except DeniedError:
            self.tokens_refused += 1
            raise
        key = self._key_of_tokens(state.active.token_key)
        self.tokens_signed += 1
        token = jwt_svid.sign(key, str(found), request.audiences, now, now + jwt_svid.LIFETIME)
        return IssuedToken(token, jwt_svid.LIFETIME.total_seconds())

    def _key_of_tokens(self, pem: str) -> SigningKey:
        if self._token_key is None or self._token_key[0] != pem:
            self._token_key = pem, SigningKey.load(pem.encode())
        return self._token_key[1]

    def _valid_state(self, now: datetime) -> AuthorityState:
        if self._state is None or not self._state.active.is_valid(now):
            raise NotReadyError("there is no valid intermediate: see the log of podwire mesh-controller")
        return self._state

    async def _write(self, node: str, entries: Iterable[Entry], now: datetime) -> None:
        """Add to the ledger of a node; one message of a node at a time, so that none is lost."""
        async with self._locks.setdefault(node, asyncio.Lock()):
            before = await authority_store.read_ledger(self._client, node)
            await authority_store.write_ledger(self._client, ledger.with_entries(before, entries, now))

    def _signed(
        self, desired: CertificateRequest, node: str, state: AuthorityState, now: datetime
    ) -> tuple[Issued, Entry | None]:
        try:
            found = check(desired.id, node, state.trust_domain, self._running, self._denial)
            key = authorities.requested_key(desired.request.encode())
        except (DeniedError, ValueError) as error:
            log.warning("node %s gets no certificate of %s: %s", node, desired.id[:200], error)
            return Issued(desired.id, error=str(error)), None
        times = (now - CLOCK_SKEW, now + self._lifetimes.leaf)
        certificate = authorities.sign(state.active.pair, key, str(found), times)
        made = authorities.described(certificate)
        chain = certificate.decode() + state.active.certificate
        return Issued(desired.id, chain), Entry(desired.id, f"{made.serial:x}", made.not_after)

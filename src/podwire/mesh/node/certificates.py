"""The certificates of a node's pods: requested, replaced in time, dropped when they no longer prove anything.

Keys are made here and are in this process and in Envoy only; no file has them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.mesh.identity import renewal
from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.exchange import MOST_REQUESTS, CertificateRequest, Issued, Refusal, Requests, Responses
from podwire.mesh.identity.renewal import Received
from podwire.mesh.node.signer_client import SignerError
from podwire.pki import authorities

if TYPE_CHECKING:
    from podwire.mesh.identity.spiffe import Spiffe
    from podwire.mesh.node.signer_client import Source

log = logging.getLogger(__name__)

REPORT_SECONDS = 60.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 60.0


class Certificates:
    """`run` must run once. Listeners are called after each change of leaves or of the bundle."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._desired: frozenset[Spiffe] = frozenset()
        self._owners: dict[str, frozenset[Spiffe]] = {}
        self._received: dict[Spiffe, Received] = {}
        self._refused: dict[Spiffe, tuple[float, int]] = {}
        """When to request again what the signer refused, and how often it did."""
        self._bundle = self._unusable = TrustBundle("")
        self._bundle_at = 0.0
        self._revoked: frozenset[int] = frozenset()
        self._applied = ""
        self._reported = ""
        self._refusals: tuple[Refusal, ...] = ()
        self._reported_refusals: tuple[Refusal, ...] = ()
        self._listeners: list[Callable[[], None]] = []
        self._woken = asyncio.Event()
        self.problem = ""
        """Why the signer cannot be used; empty: it can."""
        self.errors: dict[Spiffe, str] = {}
        """Why an identity has no certificate."""
        self.renewals = 0

    @property
    def bundle(self) -> TrustBundle:
        """What peers are verified with; without roots no peer is trusted."""
        return self._bundle

    @property
    def desired(self) -> frozenset[Spiffe]:
        """All identities that certificates are required of."""
        return self._desired

    @property
    def leaves(self) -> Mapping[Spiffe, Leaf]:
        """The certificates that prove an identity now."""
        now = self._clock()
        return {
            one: found.leaf
            for one, found in self._received.items()
            if renewal.may_be_served(found, now, self._revoked) and one in self._desired
        }

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call this after each change."""
        self._listeners.append(listener)

    def require(self, ids: Iterable[Spiffe], owner: str = "") -> None:
        """Have certificates of what each owner required last, and no others. Keys of the others are removed."""
        self._owners[owner] = frozenset(ids)
        desired = frozenset().union(*self._owners.values())
        if desired == self._desired:
            return
        self._desired = desired
        for gone in self._received.keys() - desired:
            del self._received[gone]
        for table in (self._refused, self.errors):
            for gone in table.keys() - desired:
                del table[gone]
        self._woken.set()
        self._notify()

    def trust(self, bundle: TrustBundle) -> None:
        """Use another bundle from now on. One that is empty or cannot be read changes nothing."""
        if bundle in {self._bundle, self._unusable}:
            return
        try:
            revoked = authorities.revoked_serials(bundle.revocations.encode())
            authorities.described(bundle.roots.encode())
        except ValueError as error:
            self._unusable = bundle
            log.warning("the trust bundle cannot be used, the one before it remains: %s", error)
            return
        self._bundle, self._bundle_at, self._revoked = bundle, self._clock(), revoked
        self._woken.set()
        self._notify()

    def applied(self, version: str) -> None:
        """Take the version of the bundle that Envoy uses: a rotation waits until every node has reported it."""
        if version != self._applied:
            self._applied = version
            self._woken.set()

    def report(self, refusals: tuple[Refusal, ...]) -> None:
        """Let the controller know what Envoy refuses now."""
        self._refusals = refusals
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        failures, report_at = 0, 0.0
        while True:
            self._woken.clear()
            if not self._bundle.roots:
                await self._woken.wait()
                continue
            now, due = self._clock(), self._due()
            ready = [one for one, moment in due.items() if moment <= now][:MOST_REQUESTS]
            is_new = (self._applied, self._refusals) != (self._reported, self._reported_refusals)
            is_report = is_new or now >= report_at
            if ready or is_report:
                failures = 0 if await self._exchange(ready) else failures + 1
                report_at = self._clock() + REPORT_SECONDS
            if failures:
                await asyncio.sleep(_delay(failures))
                continue
            await self._wait(min([report_at, *self._due().values(), *self._ends()]))

    def _due(self) -> dict[Spiffe, float]:
        """Return when to request each identity."""
        found = {}
        for one in self._desired:
            moment = renewal.due(self._received.get(one), self._bundle, self._bundle_at, self._revoked)
            found[one] = max(moment, self._refused.get(one, (0.0, 0))[0])
        return found

    def _ends(self) -> list[float]:
        now = self._clock()
        return [end for one in self._received.values() if (end := one.at + one.lifetime) > now]

    async def _wait(self, until: float) -> None:
        """Return at this time, or when something is required, trusted or applied; certificates may have expired."""
        before = self.leaves.keys()
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                await self._woken.wait()
        except TimeoutError:
            if self.leaves.keys() != before:
                self._notify()

    async def _exchange(self, ids: Iterable[Spiffe]) -> bool:
        """Request these; whether the signer responded."""
        made = {str(one): (one, *authorities.request(str(one))) for one in ids}
        requests = tuple(CertificateRequest(text, request.decode()) for text, (_, _, request) in made.items())
        issuers = tuple(sorted({one.issuer for one in self._received.values()}))
        applied, refusals = self._applied, self._refusals
        try:
            responses = await self._source.send(Requests(applied, issuers, requests, refusals), self._bundle.roots)
        except SignerError as error:
            if str(error) != self.problem:
                log.warning("no certificates are signed: %s", error)
            self.problem = str(error)
            return False
        self.problem, self._reported, self._reported_refusals = "", applied, refusals
        self._report_skew(responses)
        for issued in responses.certificates:
            one, key, _ = made.get(issued.id, (None, b"", b""))
            if one is not None:
                self._take(one, key, issued, responses)
        if responses.certificates:
            self._notify()
        return True

    def _take(self, one: Spiffe, key: bytes, issued: Issued, responses: Responses) -> None:
        if one not in self._desired:
            return
        if issued.error:
            self._refuse(one, issued.error)
            return
        try:
            found = authorities.described(issued.chain.encode())
        except ValueError as error:
            self._refuse(one, f"the certificate cannot be read: {error}")
            return
        leaf = Leaf(one, issued.chain, key.decode(), found.serial, found.not_before, found.not_after)
        lifetime = (found.not_after - responses.now).total_seconds()
        self._received[one] = Received(leaf, responses.issuer, self._clock(), lifetime)
        self._refused.pop(one, None)
        self.errors.pop(one, None)
        self.renewals += 1

    def _refuse(self, one: Spiffe, reason: str) -> None:
        """Request it again later: the signer may not know the pod yet."""
        if self.errors.get(one) != reason:
            log.warning("no certificate of %s: %s", one, reason)
        times = self._refused.get(one, (0.0, 0))[1] + 1
        self._refused[one] = self._clock() + _delay(times), times
        self.errors[one] = reason

    def _report_skew(self, responses: Responses) -> None:
        difference = renewal.skew(responses.now, datetime.now(UTC))
        if difference is not None:
            log.warning(
                "the clock of this node is %+.0f s from that of the signer: certificates bear 300 s: set the clock",
                difference.total_seconds(),
            )

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def _delay(failures: int) -> float:
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * (1 << min(failures - 1, 10)))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 spreads load, no secret

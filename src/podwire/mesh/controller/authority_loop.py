"""What the leader does for the authority at each tick: read what is written, take the next step, publish, sign."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from podwire.kube.client import ApiError
from podwire.mesh.controller import authority_store
from podwire.mesh.controller.authority_store import StoredAuthority
from podwire.mesh.identity import authority, rotation, trust
from podwire.mesh.identity.authority import AuthorityError, AuthorityState
from podwire.mesh.identity.certificate import TrustBundle
from podwire.mesh.identity.rotation import Lifetimes
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.mesh.controller.node_reports import NodeReports
    from podwire.mesh.controller.signer import Signer

log = logging.getLogger(__name__)

TICK_SECONDS = 5.0


def _now() -> datetime:
    return datetime.now(UTC)


class AuthorityLoop:
    """`nodes` returns the nodes that have pods of the mesh. `state` and `bundle` are those that nodes can know."""

    def __init__(
        self,
        client: Client,
        signer: Signer,
        reports: NodeReports,
        nodes: Callable[[], frozenset[str]],
        trust_domain: str,
        lifetimes: Lifetimes,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._client = client
        self._signer = signer
        self._reports = reports
        self._nodes = nodes
        self._trust_domain = trust_domain
        self._lifetimes = lifetimes
        self._clock = clock
        self._logged = ""
        self._basis = ""
        self.state: AuthorityState | None = None
        self.bundle: TrustBundle | None = None
        self.problem = ""
        """What a user must do; empty: nothing."""

    @property
    def behind(self) -> tuple[str, ...]:
        """The nodes that have not reported the present bundle."""
        return self._reports.behind(self._nodes(), self.bundle.version if self.bundle is not None else "")

    async def lead(self) -> None:
        """Tick until cancelled. An error of the API or a bad object is logged, and nothing changes meanwhile."""
        while True:
            try:
                await self.tick()
            except (ApiError, AuthorityError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("the authority of the mesh: %s; again in %g s", error, TICK_SECONDS)
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """One step at most, so that each is published before the next. Raises ApiError, AuthorityError."""
        now = self._clock()
        stored = await self._read(now)
        decisions = await authority_store.read_decisions(self._client)
        reports = self._reports_on(trust.basis(stored.state, decisions.revoked, now))
        stored = await self._write(stored, rotation.step(stored.state, now, self._lifetimes, reports))
        stored = await self._write(stored, self._followed(stored, now))
        await self._publish(stored.state, decisions.revoked, now)
        self.state = stored.state
        self._signer.use(stored.state, decisions.denial)
        self._report_problem(rotation.problem(stored.state, now))

    def _reports_on(self, basis: str) -> rotation.Reports:
        """Return what nodes have reported about a bundle; one that is not published yet is known to none of them."""
        reports = self._reports.reports(self._nodes(), self.bundle.version if self.bundle is not None else "")
        return reports if basis == self._basis else msgspec.structs.replace(reports, is_known=False)

    async def _read(self, now: datetime) -> StoredAuthority:
        found = await authority_store.read_authority(self._client)
        if found is not None:
            if found.state.trust_domain != self._trust_domain:
                raise AuthorityError(
                    f"secret {authority_store.AUTHORITY} is of trust domain {found.state.trust_domain}, not of "
                    f"{self._trust_domain}: set --trust-domain, or delete the Secret to make another authority"
                )
            return found
        root = authority.root(authorities.create_root(self._trust_domain, now, self._lifetimes.root), with_key=True)
        made = authority.first(self._trust_domain, root, self._intermediate(root, now))
        log.info("an authority is made for trust domain %s; its root is %s", self._trust_domain, root.fingerprint)
        return await authority_store.create_authority(self._client, made)

    def _followed(self, stored: StoredAuthority, now: datetime) -> AuthorityState:
        """Return the state with what the cluster itself must make: an intermediate, a root, or keys for tokens."""
        state = stored.state
        present = state.root_of(state.active)
        if rotation.is_root_due(state, now, stored.requested):
            made = authorities.create_root(self._trust_domain, now, self._lifetimes.root)
            following = authority.root(made, with_key=True)
            log.info("root %s follows %s", following.fingerprint, state.active.root)
            state = authority.with_next(state, following, self._intermediate(following, now))
            return msgspec.structs.replace(state, rotation=stored.requested or state.rotation)
        if rotation.is_intermediate_due(state, now) and present is not None:
            return authority.with_next(state, present, self._intermediate(present, now))
        return authority.with_token_keys(state)

    def _intermediate(self, root: authority.Root, now: datetime) -> authority.Signer:
        pair = KeyPair(root.certificate.encode(), root.key.encode())
        lifetime = self._lifetimes.intermediate
        try:
            made = authorities.create_intermediate(pair, self._trust_domain, now, lifetime)
        except ValueError as error:
            raise AuthorityError(f"no intermediate can be made: {error}") from None
        return authority.signer(made, root, now)

    async def _write(self, stored: StoredAuthority, state: AuthorityState) -> StoredAuthority:
        if state == stored.state:
            return stored
        written = await authority_store.write_authority(self._client, stored, state)
        log.info("the authority has changed: %s", _described(state))
        return written

    async def _publish(self, state: AuthorityState, revoked: tuple[trust.Revoked, ...], now: datetime) -> None:
        present, basis = await authority_store.read_bundle(self._client)
        desired = trust.basis(state, revoked, now)
        if present is None or basis != desired or present.issuer != state.active.fingerprint:
            present = trust.bundle(state, revoked, now)
            await authority_store.write_bundle(self._client, present, self._trust_domain, desired)
        self.bundle, self._basis = present, desired

    def _report_problem(self, problem: str) -> None:
        self.problem = problem
        if problem != self._logged:
            self._logged = problem
            if problem:
                log.error("%s", problem)


def _described(state: AuthorityState) -> str:
    parts = [
        f"roots {', '.join(one.fingerprint[:12] for one in state.roots)}",
        f"signs {state.active.fingerprint[:12]}",
    ]
    if state.next is not None:
        parts.append(f"next {state.next.fingerprint[:12]}")
    parts += [f"retired {one.fingerprint[:12]}" for one in state.retired]
    return "; ".join(parts)

"""Certificates of a node over time, at a signer of the test and by a clock of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from podwire.mesh.identity import jwt_svid, spiffe
from podwire.mesh.identity.certificate import TrustBundle
from podwire.mesh.identity.exchange import Issued, IssuedToken, Refusal, Requests, Responses, TokenRequest
from podwire.mesh.node.certificates import Certificates
from podwire.mesh.node.signer_client import RefusedError, SignerError
from podwire.pki import authorities
from podwire.pki.jwt import SigningKey

HOST = "cluster.local"
FRONT, BACK = (spiffe.Spiffe(HOST, "shop", name) for name in ("front", "back"))
DAY = 86400.0


class FakeSigner:
    """Signs everything but what is refused, for a day by its own clock."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.root = authorities.create_root(HOST, now, timedelta(days=10))
        self.pair = authorities.create_intermediate(self.root, HOST, now, timedelta(days=9))
        self.refused: set[str] = set()
        self.is_away = False
        self.skew = timedelta()
        self.messages: list[Requests] = []
        self.token_key = SigningKey.create()
        self.token_requests: list[TokenRequest] = []

    @property
    def issuer(self) -> str:
        return authorities.described(self.pair.certificate).fingerprint

    def bundle(self, revocations: bytes = b"") -> TrustBundle:
        keys = jwt_svid.key_set([self.token_key.pem().decode()])
        return TrustBundle(self.root.certificate.decode(), revocations.decode(), self.issuer, keys)

    def rotate(self) -> None:
        self.pair = authorities.create_intermediate(self.root, HOST, datetime.now(UTC), timedelta(days=9))

    async def send(self, message: Requests, roots: str) -> Responses:
        assert roots == self.root.certificate.decode()
        self.messages.append(message)
        if self.is_away:
            raise SignerError("the signer is away")
        now = datetime.now(UTC) + self.skew
        found = []
        for one in message.requests:
            if one.id in self.refused:
                found.append(Issued(one.id, error="it does not run there"))
                continue
            key = authorities.requested_key(one.request.encode())
            chain = authorities.sign(self.pair, key, one.id, (now, now + timedelta(days=1)))
            found.append(Issued(one.id, chain.decode() + self.pair.certificate.decode()))
        return Responses(now, self.issuer, tuple(found))

    async def token(self, request: TokenRequest, roots: str) -> IssuedToken:
        assert roots == self.root.certificate.decode()
        self.token_requests.append(request)
        if self.is_away:
            raise SignerError("the signer is away")
        if request.id in self.refused:
            raise RefusedError("it does not run there")
        now = datetime.now(UTC) + self.skew
        made = jwt_svid.sign(self.token_key, request.id, request.audiences, now, now + jwt_svid.LIFETIME)
        return IssuedToken(made, jwt_svid.LIFETIME.total_seconds())


class Node:
    """The certificates of a node, whose time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.signer = FakeSigner()
        self.certificates = Certificates(self.signer, lambda: self.now)
        self.changes = 0
        self.certificates.subscribe(self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def serial(self, one: spiffe.Spiffe = FRONT) -> int:
        found = self.certificates.leaves.get(one)
        return found.serial if found is not None else 0

    def move(self, seconds: float) -> None:
        """Let time pass, and let it be noticed."""
        self.now += seconds
        self.certificates.applied(f"version at {self.now}")


@contextlib.asynccontextmanager
async def at_work() -> AsyncIterator[Node]:
    node = Node()
    task = asyncio.create_task(node.certificates.run())
    try:
        yield node
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 the state is read, it has no event
            await asyncio.sleep(0.005)


async def settled(node: Node) -> None:
    """Return when the signer has received one more message, so that all that is due was requested."""
    count = len(node.signer.messages)
    node.move(0.001)
    await until(lambda: len(node.signer.messages) > count)


async def test_what_envoy_refuses_is_reported_at_once_and_with_each_message() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        await settled(node)
        refusals = (Refusal("HTTPRoute", "shop", "web", "no regex"),)
        node.certificates.report(refusals)
        await until(lambda: node.signer.messages[-1].refusals == refusals)
        await settled(node)
        assert node.signer.messages[-1].refusals == refusals
        node.certificates.report(())
        await until(lambda: not node.signer.messages[-1].refusals)


async def test_what_is_required_is_requested_once_it_is_known_whom_to_trust() -> None:
    async with at_work() as node:
        node.certificates.require([FRONT, BACK])
        await asyncio.sleep(0)
        assert node.signer.messages == []
        node.certificates.trust(node.signer.bundle())
        await until(lambda: len(node.certificates.leaves) == 2)
        assert sorted(one.id for one in node.signer.messages[0].requests) == [str(BACK), str(FRONT)]
        await settled(node)
        assert node.signer.messages[-1].requests == ()
        assert node.signer.messages[-1].issuers == (node.signer.issuer,)


async def test_a_leaf_is_replaced_at_half_of_its_life_with_another_key() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT])
        await until(node.serial)
        first = node.certificates.leaves[FRONT]
        node.move(DAY * 0.44)
        await settled(node)
        assert node.serial() == first.serial
        node.move(DAY * 0.07)
        await until(lambda: node.serial() != first.serial)
        assert node.certificates.leaves[FRONT].key != first.key


async def test_without_the_signer_leaves_are_served_until_they_expire() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT])
        await until(node.serial)
        node.signer.is_away = True
        node.move(DAY - 10)
        await until(lambda: node.certificates.problem)
        assert node.serial()
        node.move(11)
        assert node.serial() == 0
        node.signer.is_away = False
        await until(node.serial)
        assert node.certificates.problem == ""


async def test_a_wrong_clock_does_not_end_a_leaf_early() -> None:
    for hours in (-48, 48):
        async with at_work() as node:
            node.signer.skew = timedelta(hours=hours)
            node.certificates.trust(node.signer.bundle())
            node.certificates.require([FRONT])
            await until(node.serial)
            node.move(DAY * 0.4)
            await settled(node)
            assert node.serial()


async def test_what_is_refused_is_requested_again_and_costs_nothing_else() -> None:
    async with at_work() as node:
        node.signer.refused = {str(BACK)}
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT, BACK])
        await until(node.serial)
        assert node.certificates.errors == {BACK: "it does not run there"}
        node.signer.refused = set()
        node.move(120)
        await until(lambda: node.serial(BACK))
        assert node.certificates.errors == {}


async def test_another_intermediate_replaces_leaves_within_a_minute() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT])
        await until(node.serial)
        first = node.serial()
        node.signer.rotate()
        node.certificates.trust(node.signer.bundle())
        assert node.serial() == first, "it is served until the other one is there"
        node.move(60)
        await until(lambda: node.serial() not in {0, first})


async def test_a_revoked_leaf_is_not_served_and_replaced_at_once() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT])
        await until(node.serial)
        first = node.serial()
        now = datetime.now(UTC)
        node.certificates.trust(node.signer.bundle(authorities.revocation_list(node.signer.pair, {first: now}, now)))
        assert node.serial() == 0
        await until(lambda: node.serial() not in {0, first})


async def test_keys_of_what_is_no_longer_required_are_forgotten() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT, BACK])
        await until(lambda: len(node.certificates.leaves) == 2)
        changes = node.changes
        node.certificates.require([BACK])
        assert node.certificates.leaves.keys() == {BACK}
        assert node.changes == changes + 1
        node.certificates.require([BACK])
        assert node.changes == changes + 1


async def test_the_version_that_envoy_uses_is_reported_at_once() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        await until(lambda: node.signer.messages)
        node.certificates.applied("seven")
        await until(lambda: node.signer.messages[-1].bundle == "seven")


async def test_no_log_has_a_key() -> None:
    async with at_work() as node:
        node.certificates.trust(node.signer.bundle())
        node.certificates.require([FRONT])
        await until(node.serial)
        assert "PRIVATE" not in repr(node.certificates.leaves)

"""The authority over ticks of its leader: made once, rotated with overlap, continued after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from podwire.kube.client import ApiError
from podwire.kube.kinds import CONFIG_MAPS, SECRETS
from podwire.mesh.controller import authority_store
from podwire.mesh.controller.authority_loop import AuthorityLoop
from podwire.mesh.controller.node_reports import NodeReports
from podwire.mesh.controller.signer import NotReadyError, Signer
from podwire.mesh.identity import authority, jwt_svid, ledger
from podwire.mesh.identity.authority import AuthorityError, AuthorityState
from podwire.mesh.identity.exchange import CertificateRequest, Requests, TokenRequest
from podwire.mesh.identity.rotation import Lifetimes
from podwire.mesh.identity.trust_objects import TRUST
from podwire.pki import authorities, jwt
from podwire.pki.certificates import KeyPair
from tests.mesh.fake_mesh_api import MeshApi, running

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOMAIN = "cluster.local"
FRONT, BACK = "spiffe://cluster.local/ns/shop/sa/front", "spiffe://cluster.local/ns/shop/sa/back"


class Controller:
    """One process of the controller on an API server; `restarted` is the next one."""

    def __init__(self, api: MeshApi, now: datetime = START, domain: str = DOMAIN) -> None:
        self.api, self.now = api, now
        self.running = running(front=("one", "front"), back=("two", "back"))
        self.reports = NodeReports()
        self.signer = Signer(api, self.running, Lifetimes())
        nodes = frozenset({"one", "two"})
        self.loop = AuthorityLoop(
            api, self.signer, self.reports, lambda: nodes, domain, Lifetimes(), clock=lambda: self.now
        )

    def restarted(self) -> Controller:
        return Controller(self.api, self.now)

    @property
    def state(self) -> AuthorityState:
        assert self.loop.state is not None
        return self.loop.state

    async def tick(self, after: timedelta = timedelta()) -> AuthorityState:
        self.now += after
        await self.loop.tick()
        return self.state

    def report(self, *nodes: str, issuers: tuple[str, ...] = ()) -> None:
        assert self.loop.bundle is not None
        for node in nodes or ("one", "two"):
            self.reports.take(node, Requests(self.loop.bundle.version, issuers))

    async def sign(self, node: str, text: str) -> str:
        _, request = authorities.request(text)
        message = Requests(requests=(CertificateRequest(text, request.decode()),))
        (issued,) = (await self.signer.answer(node, message, self.now)).certificates
        return issued.chain or issued.error


async def test_the_authority_is_made_once() -> None:
    api = MeshApi()
    first = await Controller(api).tick()
    assert await Controller(api).tick() == first
    assert first.roots[0].key, "it signs its own intermediates"
    trusted, _ = await authority_store.read_bundle(api)
    assert trusted is not None
    assert (trusted.roots, trusted.issuer) == (first.roots[0].certificate, first.active.fingerprint)


async def test_an_authority_of_before_there_were_tokens_gets_keys_for_them() -> None:
    api = MeshApi()
    before = await Controller(api).tick()
    assert before.active.token_key
    stored = await authority_store.read_authority(api)
    assert stored is not None
    old = msgspec.structs.replace(before, active=msgspec.structs.replace(before.active, token_key=""))
    await authority_store.write_authority(api, stored, old)
    after = await Controller(api).tick()
    assert after.active.token_key not in {"", before.active.token_key}
    assert after.active.certificate == before.active.certificate
    trusted, _ = await authority_store.read_bundle(api)
    assert trusted is not None
    assert trusted.token_keys == jwt_svid.key_set([after.active.token_key])


async def test_tokens_of_both_signers_are_valid_during_a_rotation() -> None:
    controller = Controller(MeshApi())
    await controller.tick()
    state = await controller.tick(16 * DAY)
    assert state.next is not None
    assert controller.loop.bundle is not None
    before = controller.signer.issue_token("one", TokenRequest(FRONT, ("db",)), controller.now)
    controller.report()
    await controller.tick()
    assert controller.state.active.fingerprint == state.next.fingerprint
    after = controller.signer.issue_token("one", TokenRequest(FRONT, ("db",)), controller.now)
    keys = controller.loop.bundle.token_keys
    assert [jwt.key_id(one.token) for one in (before, after)] != [jwt.key_id(before.token)] * 2
    for one in (before, after):
        assert jwt_svid.check(one.token, "db", DOMAIN, keys, controller.now).id == FRONT


async def test_the_key_of_no_authority_is_in_what_nodes_read() -> None:
    api = MeshApi()
    await Controller(api).tick()
    assert "PRIVATE" not in str((await api.get(CONFIG_MAPS, TRUST)).data)


async def test_a_leaf_is_signed_for_its_node_and_is_in_the_ledger() -> None:
    one = Controller(MeshApi())
    await one.tick()
    chain = await one.sign("one", FRONT)
    made = authorities.described(chain.encode())
    assert made.not_after == START + DAY
    assert authorities.is_signed_by(chain.encode(), one.state.active.certificate.encode())
    (written,) = await authority_store.read_ledgers(one.api)
    assert (written.node, [entry.serial for entry in written.entries]) == ("one", [f"{made.serial:x}"])
    assert "runs no pod" in await one.sign("two", FRONT)


async def test_a_ledger_drops_what_has_expired() -> None:
    one = Controller(MeshApi())
    await one.tick()
    await one.sign("one", FRONT)
    one.now += DAY + HOUR
    await one.sign("one", FRONT)
    (written,) = await authority_store.read_ledgers(one.api)
    assert len(written.entries) == 1


async def test_nothing_is_signed_that_cannot_be_written_down() -> None:
    one = Controller(MeshApi())
    await one.tick()
    one.api.is_away = True
    with pytest.raises(ApiError):
        await one.sign("one", FRONT)


async def test_another_root_on_request_of_a_user_overlaps() -> None:
    one = Controller(MeshApi())
    before = await one.tick()
    await authority_store.request_root(one.api, "now")
    one.report()
    waiting = await one.tick()
    assert waiting.next is not None
    assert waiting.active == before.active
    assert len(waiting.roots) == 2
    assert await one.tick(HOUR) == waiting, "no node has reported the bundle with the second root"
    one.report("one")
    assert await one.tick(HOUR) == waiting
    one.report("one", "two")
    switched = await one.tick(HOUR)
    assert switched.active.fingerprint == waiting.next.fingerprint
    assert len(switched.roots) == 2
    one.report(issuers=(before.active.fingerprint,))
    assert len((await one.tick(2 * DAY)).roots) == 2, "a node has a leaf of the first one"
    one.report(issuers=(switched.active.fingerprint,))
    ended = await one.tick(HOUR)
    assert [root.fingerprint for root in ended.roots] == [switched.active.root]
    assert (await one.tick(HOUR)) == ended, "the request is carried out once"


async def test_reports_on_the_bundle_before_do_not_count_for_what_was_just_added() -> None:
    one = Controller(MeshApi())
    before = await one.tick()
    root = authority.root(authorities.create_root(DOMAIN, START, 10 * DAY), with_key=True)
    pair = KeyPair(root.certificate.encode(), root.key.encode())
    made = authorities.create_intermediate(pair, DOMAIN, START, DAY)
    stored = await authority_store.read_authority(one.api)
    assert stored is not None
    following = authority.with_next(stored.state, root, authority.signer(made, root, START))
    await authority_store.write_authority(one.api, stored, following)
    one.report()
    assert (await one.tick()).active == before.active


@pytest.mark.parametrize("at", range(6))
async def test_a_restart_in_the_middle_of_a_rotation_continues_it(at: int) -> None:
    one = Controller(MeshApi())
    before = await one.tick()
    await authority_store.request_root(one.api, "now")
    for step in range(6):
        if step == at:
            one = one.restarted()
        await one.tick(HOUR)
        one.report()
    assert one.state.active.root != before.active.root
    await one.tick(2 * DAY)
    assert len(one.state.roots) == 1
    assert await one.sign("one", FRONT)


async def test_an_intermediate_follows_at_half_of_its_life_without_a_user() -> None:
    one = Controller(MeshApi())
    before = await one.tick()
    one.report()
    assert (await one.tick(14 * DAY)) == before
    assert (await one.tick(DAY)).next is not None
    one.report()
    after = await one.tick(HOUR)
    assert after.active != before.active
    assert after.roots == before.roots


async def test_an_offline_root_leaves_it_to_the_user() -> None:
    one = Controller(MeshApi())
    pair = authorities.create_root(DOMAIN, START, 3650 * DAY)
    root = authority.root(pair, with_key=False)
    made = authority.signer(authorities.create_intermediate(pair, DOMAIN, START, 30 * DAY), root, START)
    await authority_store.create_authority(one.api, authority.first(DOMAIN, root, made))
    await authority_store.request_root(one.api, "now")
    assert (await one.tick(DAY)).next is None
    assert one.loop.problem == ""
    assert (await one.tick(20 * DAY)).next is None
    assert "podwire mesh ca intermediate" in one.loop.problem
    await one.tick(20 * DAY)
    assert "expired" in one.loop.problem
    with pytest.raises(NotReadyError, match="no valid intermediate"):
        await one.sign("one", FRONT)


async def test_what_is_revoked_is_published_for_every_signer_and_denied_ones_get_no_other() -> None:
    one = Controller(MeshApi())
    await one.tick()
    chain = (await one.sign("one", FRONT)).encode()
    await one.sign("two", BACK)
    found = ledger.revoke(ledger.NONE, await authority_store.read_ledgers(one.api), one.now, node="one")
    await authority_store.write_decisions(one.api, found)
    await one.tick(HOUR)
    assert one.loop.bundle is not None
    assert authorities.revoked_serials(one.loop.bundle.revocations.encode()) == {authorities.described(chain).serial}
    assert "node one is denied" in await one.sign("one", FRONT)
    assert "BEGIN CERTIFICATE" in await one.sign("two", BACK)
    await authority_store.request_root(one.api, "now")
    await one.tick()
    assert one.loop.bundle.revocations.count("BEGIN X509 CRL") == 2
    await authority_store.write_decisions(one.api, ledger.allow(found, node="one"))
    await one.tick()
    assert "BEGIN CERTIFICATE" in await one.sign("one", FRONT)
    assert one.loop.bundle.revocations, "what is revoked stays revoked"
    await one.tick(2 * DAY)
    assert one.loop.bundle.revocations == "", "all of it has expired"


async def test_lists_are_not_made_again_while_nothing_changes() -> None:
    one = Controller(MeshApi())
    await one.tick()
    await one.sign("one", FRONT)
    found = ledger.revoke(ledger.NONE, await authority_store.read_ledgers(one.api), one.now, identity=FRONT)
    await authority_store.write_decisions(one.api, found)
    await one.tick()
    before = one.loop.bundle
    after = one.restarted()
    await after.tick(HOUR)
    assert after.loop.bundle == before


async def test_a_secret_that_cannot_be_read_is_never_replaced() -> None:
    api = MeshApi()
    key = authority_store.AUTHORITY
    api.put(SECRETS, key.name, key.namespace, data={"authority.json": "e30="})
    with pytest.raises(AuthorityError, match="restore it"):
        await Controller(api).tick()
    assert (await api.get(SECRETS, key)).data == {"authority.json": "e30="}


async def test_an_authority_of_another_trust_domain_is_refused() -> None:
    api = MeshApi()
    await Controller(api).tick()
    with pytest.raises(AuthorityError, match="set --trust-domain"):
        await Controller(api, domain="other.example").tick()

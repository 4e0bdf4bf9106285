"""Nodes and others at the signer's own port, with TLS and tokens: what each of them gets."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from podwire.kube.meta import NamespacedName
from podwire.mesh.controller.authority_loop import AuthorityLoop
from podwire.mesh.controller.node_reports import NodeReports
from podwire.mesh.controller.signer import Signer
from podwire.mesh.controller.signing_service import SigningService
from podwire.mesh.identity import exchange, jwt_svid
from podwire.mesh.identity.admission import Running
from podwire.mesh.identity.exchange import CertificateRequest, Requests, Responses, TokenRequest
from podwire.mesh.identity.rotation import Lifetimes
from podwire.mesh.node.signer_client import RefusedError, SignerClient, SignerError
from podwire.pki import authorities
from tests.mesh.fake_mesh_api import MeshApi, running

NAME = "podwire-mesh-controller.podwire-system.svc"
FRONT, BACK = "spiffe://cluster.local/ns/shop/sa/front", "spiffe://cluster.local/ns/shop/sa/back"


class Served:
    """A signer that listens; `client` is a node, or another holder of its token."""

    def __init__(self, api: MeshApi, folder: Path, pods: Running) -> None:
        self.api, self._folder, self.pods = api, folder, pods
        self.reports = NodeReports()
        signer = Signer(api, pods, Lifetimes())
        self.loop = AuthorityLoop(api, signer, self.reports, lambda: frozenset({"one"}), "cluster.local", Lifetimes())
        self.service = SigningService(api, signer, pods, self.reports, NAME)
        self.port = 0

    @property
    def roots(self) -> str:
        assert self.loop.bundle is not None
        return self.loop.bundle.roots

    def client(self, token: str, name: str = NAME) -> SignerClient:
        file = self._folder / "token"
        file.write_text(token)
        return SignerClient(f"127.0.0.1:{self.port}", name, str(file))


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    found = Served(MeshApi(), folder, running(front=("one", "front"), back=("two", "back")))
    await found.loop.tick()
    assert found.loop.state is not None
    found.service.certify(found.loop.state, datetime.now(UTC))
    found.port = await found.service.start("127.0.0.1", 0)
    try:
        yield found
    finally:
        await found.service.stop()


def message(*ids: str) -> Requests:
    made = [CertificateRequest(one, authorities.request(one)[1].decode()) for one in ids]
    return Requests("version", ("issuer",), tuple(made))


def outcome(responses: Responses) -> list[str]:
    return [one.error or authorities.described(one.chain.encode()).fingerprint[:0] for one in responses.certificates]


async def test_a_node_gets_what_runs_there_and_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path) as signer:
        found = await signer.client("token of mesh-one").send(message(FRONT, BACK), signer.roots)
        assert outcome(found) == ["", "node one runs no pod of ServiceAccount shop/back"]
        found = await signer.client("token of mesh-two").send(message(FRONT, BACK), signer.roots)
        assert outcome(found) == ["node two runs no pod of ServiceAccount shop/front", ""]
        assert signer.reports.reports(["one", "two"], "version").is_known


@pytest.mark.parametrize("token", ["token of front", "token of mesh-nine", "another token", ""])
async def test_a_hostile_pod_gets_nothing(tmp_path: Path, token: str) -> None:
    async with served(tmp_path) as signer:
        with pytest.raises(SignerError, match="status 403"):
            await signer.client(token).send(message(FRONT), signer.roots)
        assert signer.reports.reports(["one"], "version").is_known is False


async def test_a_token_ends_with_its_pod_though_it_was_found_valid(tmp_path: Path) -> None:
    async with served(tmp_path) as signer:
        node = signer.client("token of mesh-one")
        await node.send(message(FRONT), signer.roots)
        await node.send(message(FRONT), signer.roots)
        assert signer.api.reviews == 1
        signer.pods.replace(NamespacedName("podwire-system", "mesh-one"), None)
        with pytest.raises(SignerError, match="does not run"):
            await node.send(message(FRONT), signer.roots)


async def test_a_node_trusts_no_other_server(tmp_path: Path) -> None:
    other = authorities.create_root("cluster.local", datetime.now(UTC), timedelta(days=1)).certificate.decode()
    async with served(tmp_path) as signer:
        with pytest.raises(SignerError, match="CERTIFICATE_VERIFY_FAILED"):
            await signer.client("token of mesh-one").send(message(FRONT), other)
        with pytest.raises(SignerError, match=r"CERTIFICATE_VERIFY_FAILED|doesn't match|mismatch"):
            await signer.client("token of mesh-one", "elsewhere").send(message(FRONT), signer.roots)
        assert signer.api.reviews == 0, "the token was not sent"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"requests":[{"id":1}]}', b'"' + b"x" * (600 << 10) + b'"'])
async def test_what_is_no_message_is_refused(tmp_path: Path, body: bytes) -> None:
    async with served(tmp_path) as signer, aiohttp.ClientSession() as session:
        context = ssl.create_default_context(cadata=signer.roots)
        context.check_hostname = False
        url = f"https://127.0.0.1:{signer.port}{exchange.PATH}"
        headers = {"Authorization": "Bearer token of mesh-one"}
        async with session.post(url, data=body, ssl=context, headers=headers) as response:
            assert response.status == 400
        async with session.get(url, ssl=context) as response:
            assert response.status == 405
        async with session.post(f"{url}/other", ssl=context) as response:
            assert response.status == 404


async def test_a_node_gets_tokens_of_what_runs_there_and_of_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path) as signer:
        node = signer.client("token of mesh-one")
        issued = await node.token(TokenRequest(FRONT, ("db",)), signer.roots)
        assert signer.loop.bundle is not None
        keys = signer.loop.bundle.token_keys
        assert jwt_svid.check(issued.token, "db", "cluster.local", keys, datetime.now(UTC)).id == FRONT
        assert issued.token not in repr(issued)
        with pytest.raises(RefusedError, match="node one runs no pod of ServiceAccount shop/back"):
            await node.token(TokenRequest(BACK, ("db",)), signer.roots)
        with pytest.raises(RefusedError):
            await signer.client("token of front").token(TokenRequest(FRONT, ("db",)), signer.roots)
        with pytest.raises(SignerError, match="needs an audience"):
            await signer.client("token of mesh-one").token(TokenRequest(FRONT, ()), signer.roots)
        assert signer.reports.reports(["one"], "version").is_known is False, "a token is no report"


async def test_a_request_that_is_none_does_not_cost_the_others(tmp_path: Path) -> None:
    async with served(tmp_path) as signer:
        wanted = Requests(requests=(CertificateRequest(FRONT, "no request"), *message(FRONT).requests))
        found = await signer.client("token of mesh-one").send(wanted, signer.roots)
        assert [bool(one.chain) for one in found.certificates] == [False, True]


async def test_while_the_api_server_is_away_nothing_is_signed(tmp_path: Path) -> None:
    async with served(tmp_path) as signer:
        signer.api.is_away = True
        with pytest.raises(SignerError, match="status 503"):
            await signer.client("token of mesh-one").send(message(FRONT), signer.roots)
        signer.api.is_away = False
        found = await signer.client("token of mesh-one").send(message(FRONT), signer.roots)
        assert outcome(found) == [""]

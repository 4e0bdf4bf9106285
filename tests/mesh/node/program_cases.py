"""`podwire mesh-node` on an API server in memory: when it begins to serve Envoy. Run by `test_grpc_programs`."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from podwire.kube.client import ApiError
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import CONFIG_MAPS, PODS, Kind
from podwire.mesh.identity.trust_objects import TRUST
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES
from podwire.mesh.model.node_pod import SOCKET
from podwire.mesh.node.held_addresses import HeldAddresses
from podwire.mesh.node.program import NodeConfig, NodeProgram
from podwire.mesh.node.routing import Routing
from podwire.pki import authorities
from tests.kube.fake_api import FakeApi
from tests.sandbox import sandboxed


class Refusing(FakeApi):
    """Refuses to list one kind with a code, as long as there is one."""

    def __init__(self, kind: Kind[Any], code: int) -> None:
        super().__init__()
        self.kind, self.code = kind, code
        self.refused = asyncio.Semaphore(0)

    async def list(self, kind: Kind[Any], namespace: str = "", **parameters: str) -> Any:
        if kind is self.kind and self.code:
            self.refused.release()
            raise ApiError(self.code, "Forbidden" if self.code == 403 else "NotFound", "no")
        return await super().list(kind, namespace, **parameters)


def program_on(api: FakeApi, folder: Path) -> NodeProgram:
    """The program of node `one` of a cluster that has an authority."""
    root = authorities.create_root("cluster.local", datetime.now(UTC), timedelta(days=1)).certificate.decode()
    api.put(CONFIG_MAPS, TRUST.name, TRUST.namespace, data={"roots.pem": root})
    config = NodeConfig(
        Credentials("", "", "", ""), "one", "signer:1", "signer", "/token", "cluster.local", str(folder)
    )
    return NodeProgram(config, api)


@pytest.mark.parametrize("kind", [AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TRANSPORT_POLICIES])
@sandboxed
async def test_nothing_is_served_while_what_is_restricted_may_not_be_read(kind: Kind[Any], tmp_path: Path) -> None:
    api = Refusing(kind, 403)
    program = program_on(api, tmp_path)
    task = asyncio.create_task(program.run())
    try:
        async with asyncio.timeout(60):
            for _ in range(4):
                await api.refused.acquire()
            page = program.ready()
            assert page.status == 503
            assert f"{kind.resource}.mesh.podwire.dev" in page.body
            assert not (tmp_path / SOCKET).exists()
            api.code = 404  # not installed: there are none
            while program.ready().status != 200:  # noqa: ASYNC110  a file is no event
                await asyncio.sleep(0.01)
            assert (tmp_path / SOCKET).exists()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@sandboxed
async def test_no_route_leads_to_a_pod_that_came_after_its_policies_were_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such a pod has no chain in the listeners that are made from what was read before."""
    api, late, taken = FakeApi(), ipaddress.ip_address("10.244.1.9"), list[frozenset[object]]()
    program = program_on(api, tmp_path)

    async def add(_: HeldAddresses, __: object) -> None:
        if not api.all(PODS):
            status = {"phase": "Running", "podIP": str(late), "podIPs": [{"ip": str(late)}]}
            api.put(PODS, "late", "shop", spec={"nodeName": "one", "containers": []}, status=status)
            while late not in program._objects.addresses:  # noqa: ASYNC110  what the program reads
                await asyncio.sleep(0.01)

    monkeypatch.setattr(HeldAddresses, "add", add)
    monkeypatch.setattr(Routing, "update", lambda _, pods: taken.append(pods))
    task = asyncio.create_task(program.run())
    try:
        async with asyncio.timeout(60):
            while not taken or late not in taken[-1]:  # noqa: ASYNC110  a list is no event
                await asyncio.sleep(0.01)
        assert late not in taken[0]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

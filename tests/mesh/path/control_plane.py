"""The control plane of one node's Envoy in tests: `python -m tests.mesh.path.control_plane FILE`."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Endpoints
from podwire.edge.model.tracing import Tracing
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.mesh.envoy import opened, routed, routed_rows
from podwire.mesh.envoy.node_resources import Credentials, resources
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.spiffe import Spiffe
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

PROXY = "mesh"


class Plan(msgspec.Struct, frozen=True):
    """What an Envoy is configured with, and where its server listens."""

    socket: str
    workloads: NodeWorkloads
    authority: tuple[str, str]
    services: tuple[RoutedService, ...] = ()
    rows: tuple[Row, ...] = ()
    spans: Tracing | None = None
    arriving: str = ""
    """A pod that comes and goes again and again: with each time a line is written to standard output."""


def credentials(workloads: NodeWorkloads, authority: KeyPair) -> Credentials:
    """Return certificates of a node's identities, signed by this authority."""
    now = datetime.now(UTC)
    times = (now - timedelta(hours=1), now + timedelta(hours=1))
    leaves: dict[Spiffe, Leaf] = {}
    for identity in workloads.identities:
        key, request = authorities.request(str(identity))
        chain = authorities.sign(authority, authorities.requested_key(request), str(identity), times)
        leaves[identity] = Leaf(identity, chain.decode(), key.decode(), 1, *times)
    return Credentials(TrustBundle(authority.certificate.decode()), opened.certificate(now), leaves)


def encoded(plan: Plan) -> bytes:
    """Return the plan as the program reads it."""
    return pickle.dumps(plan)


async def serve(plan: Plan) -> None:
    """Serve until cancelled."""
    certificate, key = plan.authority
    found = credentials(plan.workloads, KeyPair(certificate.encode(), key.encode()))
    proxies = Proxies(lambda _: None)
    proxy = proxies.add(PROXY, (*resources(plan.workloads, found), *_routed(plan)))
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{plan.socket}")
    try:
        while plan.arriving:
            await _come_and_go(proxy, plan, found)
        await asyncio.Event().wait()
    finally:
        await server.stop()


async def _come_and_go(proxy: Proxy, plan: Plan, found: Credentials) -> None:
    """Remove a pod from endpoints, then from all else, as it has gone; then add it to both in one change."""
    pods = tuple(one for one in plan.workloads.pods if one.key.name != plan.arriving)
    without = msgspec.structs.replace(plan.workloads, pods=pods)
    gone = {str(one) for pod in plan.workloads.pods if pod not in pods for one in pod.addresses}
    everything = (*resources(plan.workloads, found), *_routed(plan))
    for upserts in (
        tuple(_routed(plan, frozenset(gone))),
        tuple(resources(without, found)),
        everything,
    ):
        proxy.apply(upserts)
        keys = [one.key for one in upserts if one.type_url in (ENDPOINTS, LISTENER)]
        while not proxy.envoys() or proxy.lacking(keys):  # noqa: ASYNC110  acknowledgements
            await asyncio.sleep(0.001)
    sys.stdout.write("came\n")
    sys.stdout.flush()


def _routed(plan: Plan, gone: frozenset[str] = frozenset()) -> Iterator[Resource]:
    clients = {one.namespace: one.addresses for one in plan.workloads.pods}
    yield from routed.resources(plan.services, clients, (4, 6), spans=plan.spans)
    for row in plan.rows:
        if isinstance(row, Endpoints):
            kept = tuple(one for one in row.endpoints if one.address not in gone)
            row = msgspec.structs.replace(row, endpoints=kept)  # noqa: PLW2901  a part of it
        yield from routed_rows.resources(row)


if __name__ == "__main__":
    from tests.mesh.path.control_plane import serve as run

    asyncio.run(run(pickle.loads(Path(sys.argv[1]).read_bytes())))

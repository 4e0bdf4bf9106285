"""The controllers of a cluster on a server whose objects lack or have whatever they may lack or have."""

from __future__ import annotations

import asyncio
import logging

import pytest

from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.cluster_program import ClusterControllers, ControllerConfig
from podwire.kube import kinds
from podwire.kube.pod_pools import pool
from tests.agent.test_every_object import StrangeServer, faults
from tests.kube.fake_server import connected


async def test_no_object_stops_the_controllers(caplog: pytest.LogCaptureFixture) -> None:
    """The server refuses all writes with 404, as if each object had just gone."""
    server = StrangeServer({kind.resource: kind for kind in (kinds.NODES, kinds.SERVICES)}, 3)
    caplog.set_level(logging.INFO)
    async with connected(server.handle) as client, asyncio.timeout(60):
        config = ControllerConfig(
            client._credentials,
            "one",
            pod_pools=(pool("10.0.0.0/16"), pool("fd00::/56@key=text")),
            balancer_pools=BalancerPools(("192.0.2.0/24",), ("198.51.100.0/24",)),
            addresses=(),
        )
        controllers = ClusterControllers(config, client)
        working = asyncio.create_task(controllers._work())
        for resource in ("nodes", "services"):
            await server.delivered[resource].wait()
        while "all kinds are known" not in caplog.text or not _followed(controllers):
            assert not working.done()
            await asyncio.sleep(0.01)
        working.cancel()
    assert faults(caplog) == []


def _followed(controllers: ClusterControllers) -> bool:
    """Whether only the last object of each kind is left."""
    informers = controllers._informers.informers if controllers._informers is not None else ()
    return all([key.name for key in informer.objects] == ["last"] for informer in informers)

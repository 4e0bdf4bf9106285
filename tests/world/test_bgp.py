"""A world with BGP: its router spreads connections over the nodes, and loses none when an agent is killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from podwire.announcement.bgp.program import PROGRAM_PATH
from podwire.testing import Home, World
from tests.world.harness import eventually, running
from tests.world.traffic import client

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("bird", path=PROGRAM_PATH) is None, reason="needs bird: apt-get install bird2"),
]

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def world(home: Home) -> Iterator[World]:
    yield from running(home, "bgp", "--nodes", "2", "--bgp")


def gateways(world: World, address: str) -> set[str]:
    """The nodes that the router sends connections to."""
    found = world.run_in("outside", "ip", "route", "show", f"{address}/32").stdout
    return {node for node, own in (("node-1", "172.18.0.2 "), ("node-2", "172.18.0.3 ")) if f"via {own}" in found}


def test_routes_survive_an_agent_and_are_withdrawn_with_the_endpoints(world: World) -> None:
    world.apply(MANIFEST)
    world.wait("default")
    address = eventually(lambda: world.jsonpath("service web", "{.status.loadBalancer.ingress[0].ip}"))
    eventually(lambda: gateways(world, address) == {"node-1", "node-2"}, 60, "a route to both nodes")
    with client(world, "outside", "requests", address, 80) as requests:
        world.kill("agent-node-1")
        metrics = ("curl", "-s", "http://127.0.0.1:10249/metrics")
        eventually(
            lambda: 'podwire_bgp_session_up{peer="172.18.255.1",remote_as="64513"} 1'
            in world.run_in("node-1", *metrics, check=False).stdout,
            60, "the session of the next agent",
        )  # fmt: skip
        assert gateways(world, address) == {"node-1", "node-2"}
    assert requests.outcome.lost == ()
    assert len(requests.outcome.by) == 4, "both nodes were used, and with policy Local their own pods"
    world.kubectl("cordon", "node-2")
    world.kubectl("delete", "pods", "--field-selector=spec.nodeName=node-2", "--wait=false")
    eventually(lambda: gateways(world, address) == {"node-1"}, 60, "one route less")

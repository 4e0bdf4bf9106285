"""The node that announces a load balancer's address dies under traffic: another one takes over; then it comes back."""

import contextlib
import json
import os
import signal

import pytest

from podwire.testing import World
from podwire.testing.plugin import StartWorld
from tests.world.harness import eventually
from tests.world.traffic import client

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
spec: {type: LoadBalancer, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80}]}
"""
NODES = ("node-1", "node-2")
GRACE_SECONDS = 10.0
"""After which a world's node that is off is NotReady."""
FAILOVER_SECONDS = 10.0
"""More until clients reach the address again, on a busy machine."""


def announces(world: World, node: str, address: str) -> bool:
    """Whether the node's agent runs and announces the address."""
    words = ("rows", "announcement", "--name", world.name, "--node", node)
    return f" {address} " in world.home.podwire(*words, check=False).stdout


@pytest.mark.long
def test_the_address_of_a_node_that_dies_moves_and_a_return_loses_nothing(fresh_world: StartWorld) -> None:
    world = fresh_world(nodes=2)
    world.apply(MANIFEST)
    world.wait("default")
    ingress = eventually(lambda: world.jsonpath("service web", "{.status.loadBalancer.ingress}"))
    addresses = [one["ip"] for one in json.loads(ingress)]
    assert len(addresses) == 2
    owner = eventually(lambda: next((node for node in NODES if announces(world, node, addresses[0])), ""))
    other = next(node for node in NODES if node != owner)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client(world, "outside", "requests", address, 80)) for address in addresses]
        world.home.podwire("node", "stop", "--name", world.name, owner)
        eventually(lambda: all(announces(world, other, address) for address in addresses), 60, "another announcer")
        world.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert all(one.outcome.gap < GRACE_SECONDS + FAILOVER_SECONDS for one in clients)
    assert any(one.outcome.gap > 1 for one in clients)
    with client(world, "outside", "requests", addresses[0], 80) as returning:
        world.home.podwire("node", "start", "--name", world.name, owner)
        world.kubectl("wait", f"node/{owner}", "--for=condition=Ready", "--timeout=30s")
        eventually(lambda: announces(world, owner, addresses[0]), 60, "the first announcer again")
    assert returning.outcome.lost == ()
    events = world.jsonpath("events", "{.items[*].message}", "--field-selector=reason=NodeAssigned")
    assert all(f"node {node} answers for {addresses[0]}" in events for node in NODES)


@pytest.mark.long
def test_a_killed_agent_moves_nothing_and_one_that_stays_away_loses_its_addresses(fresh_world: StartWorld) -> None:
    world = fresh_world(nodes=2)
    world.apply(MANIFEST)
    world.wait("default")
    ingress = eventually(lambda: world.jsonpath("service web", "{.status.loadBalancer.ingress}"))
    address = json.loads(ingress)[0]["ip"]
    owner = eventually(lambda: next((node for node in NODES if announces(world, node, address)), ""))
    other = next(node for node in NODES if node != owner)
    leases = "{.items[*].spec.holderIdentity}"
    held = ("lease", "-n", "podwire-node-lease", "-l", "podwire.dev/heartbeat")
    eventually(lambda: sorted(world.jsonpath(" ".join(held), leases).split()) == [*NODES], 60, "a Lease of each agent")
    with client(world, "outside", "requests", address, 80) as served:
        os.kill(agent(world, owner), signal.SIGKILL)
        eventually(lambda: announces(world, owner, address), 60, "the agent again")
        assert not announces(world, other, address)
    assert served.outcome.lost == ()
    with client(world, "outside", "requests", address, 80) as moved:
        suspended = agent(world, owner)
        os.kill(suspended, signal.SIGSTOP)
        try:
            eventually(lambda: announces(world, other, address), 60, "the other node")
        finally:
            os.kill(suspended, signal.SIGCONT)
        eventually(lambda: announces(world, owner, address) and not announces(world, other, address), 60, "a return")
    assert moved.outcome.gap < FAILOVER_SECONDS, "both nodes lead to the endpoints meanwhile"


def agent(world: World, node: str) -> int:
    """The process of the node's agent."""
    return next(pid for pid, name in world.processes().items() if name == f"pw-agent-{node}"[:15])

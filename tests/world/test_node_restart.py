"""A node that was off comes back: its pods get their network again, and not a moment of it without their policies."""

import pytest

from podwire.testing import World
from podwire.testing.plugin import StartWorld
from tests.world.harness import eventually

OBJECTS = """
apiVersion: v1
kind: Pod
metadata: {name: friend, labels: {app: friend}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, labels: {app: stranger}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: server}
spec:
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {nodeName: node-2, containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {publishNotReadyAddresses: true, selector: {app: server}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friends}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
"""
CONNECT = "nc -w1 {target} 80 < /dev/null > /dev/null 2>&1"


def run(world: World, pod: str, command: str) -> str:
    return world.kubectl("exec", pod, "--", "sh", "-c", command).stdout


@pytest.mark.long
def test_a_node_that_starts_again_opens_nothing(fresh_world: StartWorld) -> None:
    world = fresh_world(nodes=2)
    world.apply(OBJECTS)
    world.wait("default")
    connect = CONNECT.format(target=world.jsonpath("service server", "{.spec.clusterIP}"))

    def reaches(pod: str) -> bool:
        return "yes" in run(world, pod, f"{connect} && echo yes || true")

    eventually(lambda: reaches("friend"), 60, "what the policy admits")
    assert not reaches("stranger")
    tries = f"while sleep 0.02; do {connect} && echo opened >> /tmp/log || echo closed >> /tmp/log; done"
    run(world, "stranger", f"for n in 1 2 3 4; do ({tries}) > /dev/null 2>&1 & done")
    world.home.podwire("node", "stop", "--name", world.name, "node-2")
    assert not reaches("friend"), "its node is off"
    world.home.podwire("node", "start", "--name", world.name, "node-2")
    eventually(lambda: reaches("friend"), 120, "the pod after its node came back")
    tried = run(world, "stranger", "cat /tmp/log").split()
    eventually(lambda: len(run(world, "stranger", "cat /tmp/log").split()) > len(tried) + 8, 60, "tries afterwards")
    assert set(run(world, "stranger", "cat /tmp/log").split()) == {"closed"}

"""Minutes of change under traffic: pods come and go, agents, controllers and the API server die, nothing is lost."""

import contextlib
import random

import pytest

from podwire.testing import World
from tests.world.harness import eventually
from tests.world.traffic import client

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: client, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stable, labels: {app: stable}}
spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: stable}
spec: {type: LoadBalancer, selector: {app: stable}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
"""

ROUNDS = 12
ROLES = ("agent-node-1", "agent-node-2", "apiserver", "controllers")


@pytest.fixture(scope="module")
def pods(world: World) -> World:
    world.apply(MANIFEST)
    world.wait("default")
    return world


def addresses(world: World, service: str) -> tuple[str, str]:
    """The cluster address and that of the load balancer."""
    inside = world.jsonpath(f"service {service}", "{.spec.clusterIP}")
    path = "{.status.loadBalancer.ingress[0].ip}"
    return inside, eventually(lambda: world.jsonpath(f"service {service}", path))


def change(world: World, choice: random.Random) -> None:
    """Replace pods or change their number while a part of the world is away."""
    world.kill(choice.choice(ROLES))
    deployment = "deployment/web"
    verb = choice.choice((("rollout", "restart"), ("scale", f"--replicas={choice.randint(2, 6)}")))
    eventually(lambda: world.kubectl(*verb, deployment, check=False).returncode == 0, 60, "a change of the deployment")
    world.kubectl("rollout", "status", deployment, "--timeout=120s")


@pytest.mark.long
def test_nothing_is_lost_while_pods_and_parts_of_the_world_come_and_go(pods: World) -> None:
    (web, web_outside), (stable, stable_outside) = addresses(pods, "web"), addresses(pods, "stable")
    choice = random.Random(9)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(client(pods, place, kind, where, 80))
            for place, kind, where in (
                ("default/client", "requests", web),
                ("node-1", "requests", web),
                ("outside", "requests", web_outside),
                ("default/client", "held", stable),
                ("outside", "held", stable_outside),
            )
        ]
        for _ in range(ROUNDS):
            change(pods, choice)
    assert [one.outcome.lost for one in clients] == [()] * len(clients)
    assert all(len(one.outcome.by) > ROUNDS for one in clients[:3])

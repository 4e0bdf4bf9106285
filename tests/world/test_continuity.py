"""No broken connections: what clients lose while the pods behind a Service are replaced."""

import contextlib

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
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80}]}
"""

ECHO = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: echo, image: echo, ports: [{containerPort: 7, protocol: UDP}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{name: echo, port: 7, protocol: UDP}]}
"""

FAILOVER_SECONDS = 1.0
"""UDP flows move to a live endpoint within this time."""


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    for manifest in (MANIFEST, ECHO.replace("NAME", "echo"), ECHO.replace("NAME", "other")):
        quarter.apply(manifest)
    quarter.wait(quarter.namespace)
    return quarter


def address(world: World, service: str) -> str:
    return world.jsonpath(f"service {service}", "{.spec.clusterIP}")


def balancer(world: World, service: str) -> str:
    """The address of its load balancer, once it has one."""
    return eventually(lambda: world.jsonpath(f"service {service}", "{.status.loadBalancer.ingress[0].ip}"))


def names(world: World, app: str) -> list[str]:
    return world.jsonpath("pods", "{.items[*].metadata.name}", f"--selector=app={app}").split()


def test_a_rolling_update_loses_no_request(pods: World) -> None:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(client(pods, place, "requests", where, port))
            for place, where, port in (
                (f"{pods.namespace}/client", address(pods, "web"), 80),
                ("outside", balancer(pods, "web"), 80),
                ("outside", "172.18.0.2", int(pods.jsonpath("service web", "{.spec.ports[0].nodePort}"))),
            )
        ]
        before = set(names(pods, "web"))
        pods.kubectl("rollout", "restart", "deployment/web")
        pods.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
        eventually(lambda: not before & set(names(pods, "web")), 60, "the end of the old pods")
    for one in clients:
        assert one.outcome.lost == ()
        assert before & one.outcome.by.keys()
        assert one.outcome.by.keys() - before


@pytest.mark.long
def test_a_flow_of_datagrams_moves_to_a_live_endpoint(pods: World) -> None:
    """One socket, so one entry of connection tracking: without its deletion the flow would stay where nobody is."""

    def gap() -> float:
        with client(pods, f"{pods.namespace}/client", "flow", address(pods, "echo"), 7) as one:
            pods.kubectl("rollout", "restart", "deployment/echo")
            pods.kubectl("rollout", "status", "deployment/echo", "--timeout=120s")
            one.pod(within=30)
        assert len(one.outcome.by) > 1
        return one.outcome.gap

    with client(pods, f"{pods.namespace}/client", "flow", address(pods, "other"), 7) as other:
        assert any(gap() < FAILOVER_SECONDS for _ in range(3)), "once in three times, as the machine has other work"
    assert len(other.outcome.by) == 1, "the flow of another Service has lost its entry and moved"


@pytest.mark.long
def test_a_flow_of_datagrams_finds_the_first_endpoint_that_comes(pods: World) -> None:
    with client(pods, "node-2", "flow", address(pods, "echo"), 7) as one:
        pods.kubectl("scale", "deployment/echo", "--replicas=0")
        eventually(lambda: not names(pods, "echo"), 60, "the end of all pods")
        pods.kubectl("scale", "deployment/echo", "--replicas=1")
        pods.kubectl("rollout", "status", "deployment/echo", "--timeout=60s")
        assert one.pod(within=30) == names(pods, "echo")[0], "its socket goes on sending: a stale entry would never end"

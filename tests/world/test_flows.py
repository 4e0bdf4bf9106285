"""`podwire flows` in a world: a dropped connection is shown with its policy, and outlives the agent."""

import json
import os
import signal
from typing import Any

from tests.world.harness import World, eventually
from tests.world.test_resilience import victims

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: server}}}
"""


def records(world: World, *filters: str) -> list[dict[str, Any]]:
    arguments = ("--name", world.name, "-n", world.namespace, "-o", "json", *filters)
    lines = world.home.podwire("flows", *arguments).stdout.splitlines()
    return [json.loads(line)["flow"] for line in lines]


def test_a_dropped_connection_is_shown_reported_and_kept(quarter: World) -> None:
    quarter.apply(PODS)
    quarter.wait(quarter.namespace)
    address = quarter.jsonpath("pod server", "{.status.podIP}")
    connect = ("exec", "client", "--", "sh", "-c", f"timeout 1 nc -w1 {address} 80 < /dev/null || true")
    quarter.kubectl("-n", quarter.namespace, *connect)
    eventually(lambda: bool(records(quarter, "--port", "80")), 30, "the record")
    (flow, *_) = records(quarter, "--port", "80", "--pod", "server", "--verdict", "dropped")
    assert flow["source"]["pod_name"] == "client", "the pod of another node is named from the API"
    assert flow["destination"]["pod_name"] == "server"
    assert flow["ingress_denied_by"] == [{"name": "closed", "namespace": quarter.namespace}]
    assert records(quarter, "--port", "81") == []

    def events() -> str:
        return quarter.kubectl("-n", quarter.namespace, "get", "events").stdout

    eventually(lambda: f"isolation of policy {quarter.namespace}/closed" in events(), 30, "the event")
    before = records(quarter)
    killed = victims(quarter, "pw-agent-node-2")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: bool(set(victims(quarter, "pw-agent-node-2")) - set(killed)), 60, "the return of the agent")
    assert records(quarter)[: len(before)] == before

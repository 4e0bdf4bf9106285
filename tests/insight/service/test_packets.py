"""What an explanation says is what the kernel does: the same Services explained, and tried with real connections."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from podwire.testing import World, eventually

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web, first: "yes"}}
spec: {nodeName: node-1, terminationGracePeriodSeconds: 1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, labels: {app: web}}
spec: {nodeName: node-2, terminationGracePeriodSeconds: 1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-1}
spec: {nodeName: node-1, terminationGracePeriodSeconds: 1, containers: [{name: shell, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-2}
spec: {nodeName: node-2, terminationGracePeriodSeconds: 1, containers: [{name: shell, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  type: NodePort
  internalTrafficPolicy: Local
  externalTrafficPolicy: Local
  selector: {app: web, first: "yes"}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {type: NodePort, selector: {app: nobody}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: sticky}
spec: {type: NodePort, sessionAffinity: ClientIP, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: guarded}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  loadBalancerSourceRanges: [10.244.1.0/24]
  selector: {app: web}
  ports: [{name: http, port: 80}]
"""
RIVAL = """
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{rival: "yes"}}}}
spec:
  type: LoadBalancer
  loadBalancerClass: example.com/none
  allocateLoadBalancerNodePorts: false
  selector: {{app: web}}
  ports: [{{name: http, port: 80}}]
"""
CURL = ("curl", "-sS", "-H", "Accept: application/json", "--max-time")
TRIES = 40
REFUSED, SILENT = 7, 28
"""Exit statuses of curl."""
OUTCOMES = {REFUSED: "refuse", SILENT: "drop"}


@dataclass(frozen=True)
class Said:
    """What the explanation says of one way of access on one node."""

    outcome: str
    source: str | None
    pods: frozenset[str]


@pytest.fixture(scope="module")
def here(quarter: World) -> World:
    quarter.apply(MANIFEST)
    quarter.wait(quarter.namespace)
    eventually(
        lambda: _endpoints(quarter) == {"both": 2, "guarded": 2, "local": 1, "sticky": 2},
        60,
        "endpoints of all Services",
    )
    return quarter


def _endpoints(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for piece in world.kubectl.json("endpointslices")["items"]:
        count = sum(one["conditions"]["ready"] for one in piece["endpoints"] or ())
        if piece["addressType"] == "IPv4" and count:
            found[piece["metadata"]["labels"]["kubernetes.io/service-name"]] = count
    return found


def explained(world: World, name: str, *options: str) -> dict[str, Any]:
    answer = world.home.podwire(
        "explain", "service", "--name", world.name, f"{world.namespace}/{name}", "-o", "json", *options
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def said(report: dict[str, Any], node: str, access: str) -> Said:
    """What the report says; access from inside is that to the cluster address where it is not shown."""
    (line,) = [line for line in report["nodes"] if node in [one["name"] for one in line["nodes"]]]
    (port,) = [port for port in line["ports"] if port["family"] == "IPv4"]
    ways = [way["access"] for way in port["access"]]
    index = ways.index(access if access in ways else "cluster address")
    used = {one["pod"].partition("/")[2] for one in port["endpoints"] if one["reasons"][index] == "used"}
    way = port["access"][index]
    return Said(way["outcome"], way.get("source"), frozenset(used))


def tried(world: World, client: str, url: str, expected: frozenset[str]) -> tuple[str, frozenset[str], frozenset[str]]:
    """What connections meet: an outcome, the pods that answered, the clients that they saw. Ends when all have."""
    pods: set[str] = set()
    clients: set[str] = set()
    seconds = "30" if expected else "2"
    for _ in range(TRIES):
        answer = world.run_in(client, *CURL, seconds, url, check=False)
        if answer.returncode:
            return OUTCOMES.get(answer.returncode, answer.stderr), frozenset(pods), frozenset(clients)
        facts = json.loads(answer.stdout)
        pods.add(facts["pod"].rpartition("/")[2])
        clients.add(facts["from"].rpartition(":")[0])
        if pods >= expected:
            break
    return "used", frozenset(pods), frozenset(clients)


@pytest.mark.parametrize("name", ["both", "local", "nobody"])
def test_connections_meet_what_is_explained(here: World, name: str) -> None:
    report = explained(here, name)
    addresses = {line["kind"]: line for line in report["frontends"]}
    for node in ("node-1", "node-2"):
        urls = {
            "cluster address": f"http://{addresses['cluster IP']['address']}/",
            "node": f"http://{node_address(report, node)}:{addresses['node port']['port']}/",
        }
        meets(here, report, node, urls)


def node_address(report: dict[str, Any], node: str) -> str:
    found = (one for line in report["nodes"] for one in line["nodes"] if one["name"] == node)
    return str(next(found)["nodePortAddresses"][0])


def meets(here: World, report: dict[str, Any], node: str, urls: dict[str, str]) -> None:
    """Compare what clients on a node and outside meet with the report."""
    inside = f"client-{node[-1]}"
    for client, access, url in (
        (inside, "cluster address", urls["cluster address"]),
        (inside, "from inside", urls["node"]),
        ("outside", "from outside", urls["node"]),
    ):
        expected = said(report, node, access)
        outcome, pods, clients = tried(here, client, url, expected.pods)
        assert (outcome, pods) == (expected.outcome, expected.pods), f"{client} to {url}, {access}"
        if outcome == "used":
            own = here.run_in(client, "hostname", "-I").stdout.split()
            assert (expected.source == "kept") == (clients <= set(own)), f"{clients} seen of {client}, {access}"


def test_a_guarded_load_balancer_answers_the_clients_that_are_explained(here: World) -> None:
    eventually(lambda: len(explained(here, "guarded")["frontends"]) == 2, 60, "an address of the load balancer")
    report = explained(here, "guarded", "--kernel")
    (line,) = [one for one in report["frontends"] if one["kind"] == "load balancer IP"]
    assert (line["sources"], line["announcer"] in {"node-1", "node-2"}, report["kernel"]) == (
        ["10.244.1.0/24"],
        True,
        [],
    )
    url = f"http://{line['address']}/"
    for client, outcome in (("client-1", "used"), ("client-2", "drop"), ("outside", "drop")):
        pods = frozenset({"web-1", "web-2"} if outcome == "used" else ())
        assert tried(here, client, url, pods)[0] == outcome, client


def test_the_kernels_hold_what_is_explained(here: World) -> None:
    for name in ("local", "sticky"):
        assert explained(here, name, "--kernel")["kernel"] == []


def test_a_difference_in_the_kernel_is_named(here: World) -> None:
    address = here.jsonpath("service both", "{.spec.clusterIP}")
    element = f"{{ {address} . tcp . 80 }}"
    here.run_in("node-2", "nft", "delete", "element", "inet", "podwire-services", "service4", element)
    try:
        (line,) = explained(here, "both", "--kernel")["kernel"]
        assert line.startswith(f"node-2: {address} TCP 80 is missing; it leads to ")
    finally:
        here.kubectl("annotate", "service", "both", "touched=yes")
        here.kubectl("delete", "service", "both")


@pytest.mark.long
def test_of_two_services_over_one_address_the_older_one_answers_and_the_other_has_an_event(here: World) -> None:
    for name in ("rival-1", "rival-2"):
        here.apply(RIVAL.format(name=name))
        status = '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.50", "ipMode": "VIP"}]}}}'
        here.kubectl("patch", "service", name, "--subresource=status", "--type=merge", "-p", status)
    metadata = [one["metadata"] for one in here.kubectl.json("services", "-l", "rival=yes")["items"]]
    older, younger = (one["name"] for one in sorted(metadata, key=lambda one: (one["creationTimestamp"], one["uid"])))
    words = f"192.0.2.50 TCP 80: connections go to Service {here.namespace}/{older}"
    eventually(lambda: words in here.kubectl("events", "--for", f"service/{younger}").stdout, 60, "an event PortTaken")
    report = explained(here, younger, "--kernel")
    assert [one["severity"] for one in report["findings"] if one["reason"] == "AddressConflict"] == ["error"]
    assert report["kernel"] == []
    assert tried(here, "client-1", "http://192.0.2.50/", frozenset({"web-1", "web-2"}))[0] == "used"


@pytest.mark.long
def test_what_does_not_exist_is_an_error(here: World) -> None:
    def failed(*words: str) -> str:
        answer = here.home.podwire("explain", "service", "--name", here.name, *words, check=False)
        assert answer.returncode == 2
        return answer.stderr

    assert f"Service {here.namespace}/absent does not exist" in failed("-n", here.namespace, "absent")
    assert "--node other: is none of node-1, node-2" in failed(f"{here.namespace}/sticky", "--node", "other")

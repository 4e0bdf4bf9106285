"""Random NetworkPolicies and AuthorizationPolicies together: a naive evaluator, Envoy and the kernel agree."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL, REDIRECTED
from tests.world.harness import Home, World, eventually, running

PORTS = (80, 8080)
SPACE = "mixed"
ROUNDS = 12


class Pod(msgspec.Struct, frozen=True):
    """A pod with a label and a ServiceAccount of its own, both with its name."""

    name: str
    node: str
    enrolled: bool = True


CLIENTS = (Pod("one", "node-1"), Pod("two", "node-2"), Pod("plain", "node-1", enrolled=False))
SERVERS = (Pod("near", "node-1"), Pod("far", "node-2"))
Question = tuple[str, str, int]
"""Client, server, port."""


class Network(msgspec.Struct, frozen=True):
    """A NetworkPolicy of one direction of one pod; no ports: all."""

    direction: str
    subject: str
    peers: tuple[str, ...]
    ports: tuple[int, ...]

    def manifest(self, name: str) -> dict[str, Any]:
        end, subjects = ("from", "ingress") if self.direction == "Ingress" else ("to", "egress")
        rule = {end: [{"podSelector": {"matchLabels": {"app": one}}} for one in self.peers]}
        ports = {"ports": [{"port": one} for one in self.ports]} if self.ports else {}
        spec = {"podSelector": {"matchLabels": {"app": self.subject}}, "policyTypes": [self.direction]}
        rules = [{**rule, **ports}] if self.peers else []
        return made("networking.k8s.io/v1", "NetworkPolicy", name, spec={**spec, subjects: rules})


class Mesh(msgspec.Struct, frozen=True):
    """An AuthorizationPolicy of one pod; without accounts its rule is about clients that have no identity."""

    action: str
    subject: str
    accounts: tuple[str, ...]
    ports: tuple[int, ...]

    def manifest(self, name: str) -> dict[str, Any]:
        source = (
            {"identities": [f"{SPACE}/{one}" for one in self.accounts]} if self.accounts else {"notIdentities": ["*"]}
        )
        to = {"to": [{"ports": list(self.ports)}]} if self.ports else {}
        spec = {"selector": {"matchLabels": {"app": self.subject}}, "action": self.action}
        return made(
            "mesh.podwire.dev/v1alpha1", "AuthorizationPolicy", name, spec={**spec, "rules": [{"from": [source], **to}]}
        )

    def matches(self, identity: str, port: int) -> bool:
        known = identity in self.accounts if self.accounts else not identity
        return known and (not self.ports or port in self.ports)


class Policies(msgspec.Struct, frozen=True):
    """What is in force together."""

    networks: tuple[Network, ...]
    meshes: tuple[Mesh, ...]

    def manifests(self) -> list[dict[str, Any]]:
        every: list[Network | Mesh] = [*self.networks, *self.meshes]
        return [one.manifest(f"p{number}") for number, one in enumerate(every)]


def made(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": SPACE}, **fields}


def passes_network(policies: Sequence[Network], direction: str, subject: Pod, peer: Pod, port: int) -> bool:
    own = [one for one in policies if (one.direction, one.subject) == (direction, subject.name)]
    return not own or any(peer.name in one.peers and (not one.ports or port in one.ports) for one in own)


def passes_mesh(policies: Sequence[Mesh], client: Pod, server: Pod, port: int) -> bool:
    """A pod that is not enrolled has an identity on its own node only."""
    identity = client.name if client.enrolled or client.node == server.node else ""
    own = [one for one in policies if one.subject == server.name]
    allowing = [one for one in own if one.action == "ALLOW"]
    if any(one.matches(identity, port) for one in own if one.action == "DENY"):
        return False
    return not allowing or any(one.matches(identity, port) for one in allowing)


def judged(policies: Policies) -> dict[Question, tuple[bool, bool]]:
    """Return whether NetworkPolicies admit each connection, and whether the policies of the mesh do."""
    return {
        (client.name, server.name, port): (
            passes_network(policies.networks, "Egress", client, server, port)
            and passes_network(policies.networks, "Ingress", server, client, port),
            passes_mesh(policies.meshes, client, server, port),
        )
        for client in CLIENTS
        for server in SERVERS
        for port in PORTS
    }


def drawn(dice: random.Random) -> Policies:
    def some(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(one for one in values if dice.random() < 0.6)

    def network() -> Network:
        clients, servers = [one.name for one in CLIENTS], [one.name for one in SERVERS]
        if dice.random() < 0.6:
            return Network("Ingress", dice.choice(servers), some(clients), some(PORTS))
        return Network("Egress", dice.choice(clients), some(servers), some(PORTS))

    def mesh() -> Mesh:
        accounts = some([one.name for one in CLIENTS])
        return Mesh(dice.choice(("ALLOW", "ALLOW", "DENY")), dice.choice(SERVERS).name, accounts, some(PORTS))

    return Policies(
        tuple(network() for _ in range(dice.randint(0, 3))), tuple(mesh() for _ in range(dice.randint(1, 3)))
    )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for world in running(Home(tmp_path_factory.mktemp("mixed")), "mixed", "--nodes", "2"):
        pods = (*CLIENTS, *SERVERS)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": {LABEL: ENABLED}}}
        accounts = [made("v1", "ServiceAccount", one.name) for one in pods]
        world.kubectl("apply", "-f", "-", stdin=listed([space, *accounts, *map(manifest, pods)]))
        enrolled = {one.name for one in pods if one.enrolled}
        eventually(lambda: redirected(world) == enrolled, 120, "pods are redirected")  # noqa: B023  called here
        yield world


def manifest(pod: Pod) -> dict[str, Any]:
    labels = {"app": pod.name} | ({} if pod.enrolled else {LABEL: DISABLED})
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": one} for one in PORTS]}
    spec = {"nodeName": pod.node, "serviceAccountName": pod.name, "containers": [container]}
    found = made("v1", "Pod", pod.name, spec=spec)
    return {**found, "metadata": {**found["metadata"], "labels": labels}}


def listed(items: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def redirected(world: World) -> set[str]:
    path = "{.items[*].metadata.name}"
    words = ("get", "pods", "-l", f"{REDIRECTED}={ENABLED}", "-o", f"jsonpath={path}")
    return set(world.kubectl("-n", SPACE, *words).stdout.split())


def seen(world: World, addresses: dict[str, str]) -> dict[Question, bool]:
    """Return whether each connection is served, all at the same time."""

    def of(client: Pod) -> dict[Question, bool]:
        asked = {
            f"http://{addresses[one.name]}:{port}/": (client.name, one.name, port) for one in SERVERS for port in PORTS
        }
        quiet = [word for url in asked for word in ("-o", "/dev/null", url)]
        words = ("curl", "-sZ", "--parallel-immediate", "-m", "4", "-w", "%{url} %{http_code}\\n", *quiet)
        shown = world.run_in(f"{SPACE}/pod/{client.name}", *words, check=False).stdout
        return {asked[url]: code == "200" for url, code in map(str.split, shown.splitlines())}

    with ThreadPoolExecutor(len(CLIENTS)) as threads:
        return {question: found for each in threads.map(of, CLIENTS) for question, found in each.items()}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_naive_evaluator_envoy_and_the_kernel_agree(mixed: World) -> None:
    names = [one.name for one in SERVERS]
    addresses = {one: mixed.jsonpath(f"pod {one}", "{.status.podIP}", "--namespace", SPACE) for one in names}
    met: set[tuple[bool, bool]] = set()
    for seed in range(ROUNDS):
        policies = drawn(random.Random(seed))
        found = judged(policies)
        met.update(found.values())
        expected = {question: all(both) for question, both in found.items()}
        objects = listed(policies.manifests())
        mixed.kubectl("apply", "-f", "-", stdin=objects)
        eventually(lambda: seen(mixed, addresses) == expected, 120, f"{policies} mean {expected}")  # noqa: B023  called here
        assert seen(mixed, addresses) == expected, policies
        mixed.kubectl("delete", "-f", "-", stdin=objects)
    assert met == {(True, True), (True, False), (False, True), (False, False)}

"""Random Services that clients outside reach, with the pods behind them on two nodes and policies of both ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.insight.connection import naive

Object = dict[str, Any]
NODES = ("node-1", "node-2")
ADDRESSES = {"node-1": "172.18.0.2", "node-2": "172.18.0.3", "outside": "172.18.255.1"}
"""Those of a world's nodes and of its host outside."""
PORT, TARGET = 80, 8080
POLICIES = ("Cluster", "Local")


@dataclass(frozen=True, order=True)
class Entry:
    """A client, and what it connects to; `is_allowed` is the naive evaluator's answer, None where a node decides."""

    client: str
    service: str
    address: str
    port: int
    is_allowed: bool | None


@dataclass
class Entries:
    """Objects of one namespace. `pods` are as the naive evaluator takes them; addresses are set once they run."""

    namespace: str
    pods: dict[str, Object]
    services: dict[str, Object]
    policies: list[Object]

    def manifests(self) -> list[Object]:
        """Policies first: a pod that is ready has them."""
        return [*self.policies, *self.services.values(), *(self._pod(name) for name in self.pods)]

    def written(self) -> list[Object]:
        """The same with addresses, nodes and namespace, as files have them."""
        found: list[Object] = [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node},
             "status": {"addresses": [{"type": "InternalIP", "address": ADDRESSES[node]}]}}
            for node in NODES
        ]  # fmt: skip
        for number, (name, one) in enumerate(self.pods.items()):
            one["address"] = f"10.244.{NODES.index(one['node'])}.{number + 2}"
            found.append({**self._pod(name), "status": {"podIP": one["address"]}})
        for number, one in enumerate(self.services.values()):
            if one["spec"]["type"] == "LoadBalancer":
                one["status"] = {"loadBalancer": {"ingress": [{"ip": f"172.18.254.{number + 1}"}]}}
        return [*found, *self.policies, *self.services.values()]

    def _pod(self, name: str) -> Object:
        one = self.pods[name]
        container = {"name": "c", "image": "registry.example.com/none:1", "ports": [{"containerPort": TARGET}]}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace, "labels": one["labels"]},
            "spec": {"nodeName": one["node"], "containers": [container]},
        }  # fmt: skip

    def allowed(self, client: str, service: str, node: str) -> bool:
        """Whether every connection of a client to the node port of a node is answered, as the documentation has it."""
        spec = self.services[service]["spec"]
        behind = self._behind(spec)
        where = self.pods[client]["node"] if client in self.pods else client
        if where == node:
            return all(self._admitted(client, server) for server in behind)
        if client in self.pods and not self._leaves(client, node, spec["ports"][0]):
            return False
        if spec["externalTrafficPolicy"] == "Local":
            behind = [one for one in behind if one["node"] == node]
        own = [self._enters(client, one) for one in behind if one["node"] == node]
        return bool(behind) and all(own) and all(self._enters(node, one) for one in behind if one["node"] != node)

    def allowed_by_address(self, client: str, service: str) -> bool | None:
        """Whether every connection to the address of a load balancer is answered; None where the node decides."""
        spec = self.services[service]["spec"]
        if client in (*self.pods, *NODES):  # its own node translates it
            return all(self._admitted(client, one) for one in self._behind(spec))
        nodes = {one["node"] for one in self._behind(spec)} if spec["externalTrafficPolicy"] == "Local" else NODES
        found = {self.allowed(client, service, node) for node in nodes}
        return found.pop() if len(found) == 1 else None

    def _behind(self, spec: Object) -> list[Object]:
        return [one for one in self.pods.values() if one["labels"].get("app") == spec["selector"]["app"]]

    def _admitted(self, client: str, server: Object) -> bool:
        if client not in self.pods:
            return client == server["node"] or self._enters(client, server)
        return naive.allowed(self.policies, {}, self.pods[client], server, TARGET)

    def _enters(self, client: str, server: Object) -> bool:
        return naive.admitted(self.policies, {}, "Ingress", server, self._end(client), server, TARGET)

    def _leaves(self, client: str, node: str, port: Object) -> bool:
        to = self._end(node)
        return naive.admitted(self.policies, {}, "Egress", self.pods[client], to, to, port["nodePort"])

    def _end(self, name: str) -> Object:
        found: Object = {"namespace": "", "labels": {}, "address": ADDRESSES.get(name), "ports": {}}
        return self.pods.get(name, found)

    def ways(self) -> Iterator[Entry]:
        """Yield each client with each node port, and each address of a load balancer."""
        for client in ("outside", "node-1", *(name for name in self.pods if name.startswith("client"))):
            for service, one in self.services.items():
                port = one["spec"]["ports"][0]["nodePort"]
                for node in NODES:
                    yield Entry(client, service, ADDRESSES[node], port, is_allowed=self.allowed(client, service, node))
                for address in one.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
                    is_allowed = self.allowed_by_address(client, service)
                    yield Entry(client, service, address["ip"], PORT, is_allowed=is_allowed)


def made(namespace: str, seed: int, first_port: int) -> Entries:
    """Return the objects of a seed."""
    chance = random.Random(seed)
    pods = {f"client-{number}": _pod(namespace, {"role": "client"}, node) for number, node in enumerate(NODES)}
    services = {}
    for number in range(4):
        app = f"s{number}"
        for index, node in enumerate(chance.choice((NODES[:1], NODES[1:], NODES))):
            pods[f"{app}-{index}"] = _pod(namespace, {"app": app}, node)
        spec = {
            "type": ("NodePort", "LoadBalancer")[number // 2], "externalTrafficPolicy": POLICIES[number % 2],
            "selector": {"app": app}, "ports": [{"port": PORT, "targetPort": TARGET, "nodePort": first_port + number}],
        }  # fmt: skip
        services[app] = {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": app, "namespace": namespace}, "spec": spec
        }  # fmt: skip
    policies = [_ingress(namespace, f"s{number}", chance) for number in range(4) if chance.random() < 0.75]
    if chance.random() < 0.5:
        policies.append(_egress(namespace, chance))
    return Entries(namespace, pods, services, policies)


def _pod(namespace: str, labels: Object, node: str) -> Object:
    return {"namespace": namespace, "labels": labels, "node": node, "ports": {}}


def _ingress(namespace: str, app: str, chance: random.Random) -> Object:
    return _policy(namespace, app, {"app": app}, "Ingress", {"from": _peers(chance), "ports": [{"port": TARGET}]})


def _egress(namespace: str, chance: random.Random) -> Object:
    return _policy(namespace, "client", {"role": "client"}, "Egress", {"to": _peers(chance)})


def _peers(chance: random.Random) -> list[Object]:
    blocks = [{"ipBlock": {"cidr": f"{one}/32"}} for one in ADDRESSES.values()]
    wide = {"ipBlock": {"cidr": "172.18.0.0/16", "except": [f"{ADDRESSES['node-2']}/32"]}}
    labels = [{"podSelector": {"matchLabels": one}} for one in ({"role": "client"}, {"app": "s1"})]
    return chance.sample([*blocks, wide, *labels, {"podSelector": {}}], chance.randint(1, 3))


def _policy(namespace: str, name: str, labels: Object, type_: str, rule: Object) -> Object:
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": [type_], type_.lower(): [rule]}
    metadata = {"name": f"{name}-{type_.lower()}", "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

"""Random pods, namespaces, policies of both kinds, nodes and names, from a seed: valid objects as documents."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import yaml

from podwire.kube.core import Pod
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.tiers import ClusterPolicy
from tests.policy.cluster import Cluster, address, cluster_policy, namespace, network_policy, node, pod
from tests.policy.naive import NaiveCluster, NaivePod

NAMESPACES = ("x", "y", "z")
POD_NAMES = ("a", "b", "c")
PORTS = "web=80/TCP dns=81/UDP"
OTHER_PORTS = "web=81/TCP dns=80/UDP"
POD_RANGES = (ipaddress.ip_network("10.0.0.0/16"), ipaddress.ip_network("fd00::/16"))
OUTSIDE = ("9.9.9.9", "fd99::9")
PROBES = (("TCP", 80), ("TCP", 81), ("UDP", 80), ("UDP", 81))
UNSEEN = (("TCP", 9000), ("SCTP", 80), ("ICMP", None))
"""Traffic that the model judges and that no packet of the tests is."""
NETWORKS = (
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.1.1/32",
    "10.0.2.0/30",
    "fd00::/16",
    "fd00:1::/64",
    "9.0.0.0/8",
    "9.9.9.9/32",
    "fd99::/32",
)
NAMES = ("www.example.com", "a.b.example.com", "example.com", "other.org")
PATTERNS = (*NAMES, "*.example.com", "*.b.example.com", "*.org")


def addresses(key: str) -> str:
    """The IPv4 and IPv6 address of a pod: x is 10.0.1, a is .1."""
    n, p = NAMESPACES.index(key[0]) + 1, POD_NAMES.index(key[2]) + 1
    return f"10.0.{n}.{p} fd00:{n}::{p}"


@dataclass
class RandomWorld:
    """Documents of one seed."""

    random: random.Random
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    pods: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    cluster_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def naive(self) -> NaiveCluster:
        """The world for the naive evaluator."""
        found = [
            NaivePod(key[0], {"pod": key[2], **labels}, tuple(addresses(key).split()), _ports(ports))
            for key, (labels, ports) in self.pods.items()
        ]
        return NaiveCluster(
            {name: {"kubernetes.io/metadata.name": name, **labels} for name, labels in self.namespaces.items()},
            found,
            [(key[0], spec) for key, spec in self.policies.items()],
            self.cluster_policies,
            [(labels, tuple(held.split())) for labels, held in self.nodes.values()],
            self.names,
        )

    def cluster(
        self, always: tuple[ClusterPolicy, ...] = (), here: str = "xyz", hidden: Collection[str] = ()
    ) -> Cluster:
        """The world for the model; pods of the namespaces `here` are on this node, the `hidden` ones not known yet."""
        cluster = Cluster(always=always, ranges=PodRanges(POD_RANGES))
        steps = [one for one in self.objects(here) if not isinstance(one, Pod) or str(one.key) not in hidden]
        self.random.shuffle(steps)
        cluster.add(*steps)
        self.learn(cluster)
        return cluster

    def objects(self, here: str = "xyz") -> list[Any]:
        """All objects."""
        return [
            *(namespace(name, **labels) for name, labels in self.namespaces.items()),
            *(
                pod(
                    key,
                    addresses(key),
                    ports=ports,
                    labels=" ".join(f"{k}={v}" for k, v in labels.items()),
                    node="node-1" if key[0] in here else "node-2",
                )
                for key, (labels, ports) in self.pods.items()
            ),
            *(network_policy(key, yaml.safe_dump(spec)) for key, spec in self.policies.items()),
            *(cluster_policy(key, yaml.safe_dump(spec)) for key, spec in self.cluster_policies.items()),
            *(node(key, held, **labels) for key, (labels, held) in self.nodes.items()),
        ]

    def learn(self, cluster: Cluster) -> None:
        """DNS has returned these addresses."""
        for name in NAMES:
            cluster.learn(name, tuple(map(address, self.names.get(name, ()))))


def random_world(seed: int) -> RandomWorld:
    """The world of a seed."""
    world = RandomWorld(random.Random(seed))
    make = _Making(world.random)
    for name in NAMESPACES:
        world.namespaces[name] = make.some({"team": make.one("pq"), "env": make.one("pq")})
    for key in (f"{n}/{p}" for n in NAMESPACES for p in POD_NAMES):
        labels = make.some({"app": make.one("pq"), "tier": make.one("pq")})
        world.pods[key] = (labels, make.one((PORTS, PORTS, OTHER_PORTS, "")))
    world.nodes = {"node-1": ({"zone": "p"}, "169.254.1.1"), "node-2": ({"zone": make.one("pq")}, " ".join(OUTSIDE))}
    held = (*OUTSIDE, *addresses("x/a").split(), *addresses("y/b").split(), "8.8.8.8")
    for name in NAMES:
        world.names[name] = tuple(make.random.sample(held, make.random.randint(0, 3)))
    for number in range(make.random.choice((0, 1, 2, 3))):
        world.policies[f"{make.one(NAMESPACES)}/p{number}"] = make.policy()
    for number in range(make.random.choice((1, 2, 3, 4, 6))):
        world.cluster_policies[f"c{number}"] = make.cluster_policy()
    return world


class _Making:
    def __init__(self, source: random.Random) -> None:
        self.random = source

    def one(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def some(self, fields: dict[str, Any], chance: float = 0.6) -> dict[str, Any]:
        return {key: value for key, value in fields.items() if self.random.random() < chance}

    def several(self, make: Any, most: int) -> list[Any]:
        return [make() for _ in range(self.random.randint(1, most))]

    def selector(self, keys: tuple[str, ...]) -> dict[str, Any]:
        kind = self.random.random()
        if kind < 0.3:
            return {}
        if kind < 0.7:
            return {"matchLabels": {self.one(keys): self.one("pq")}}
        operator = self.one(("In", "NotIn", "Exists", "DoesNotExist"))
        line: dict[str, Any] = {"key": self.one(keys), "operator": operator}
        if operator in {"In", "NotIn"}:
            line["values"] = self.random.sample("pq", self.random.randint(1, 2))
        return {"matchExpressions": [line]}

    def pods(self) -> dict[str, Any]:
        return self.selector(("app", "tier"))

    def spaces(self) -> dict[str, Any]:
        if self.random.random() < 0.3:
            return {"matchLabels": {"kubernetes.io/metadata.name": self.one(NAMESPACES)}}
        return self.selector(("team", "env"))

    def policy(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"podSelector": self.pods(), "policyTypes": self.one((["Ingress"], ["Egress"]))}
        if self.random.random() < 0.4:
            spec["policyTypes"] = ["Ingress", "Egress"]
        for section, peers in (("ingress", "from"), ("egress", "to")):
            if self.random.random() < 0.7:
                spec[section] = self.several(lambda peers=peers: self.rule(peers), 2)
        return spec

    def rule(self, peers: str) -> dict[str, Any]:
        return self.some(
            {peers: self.several(self.policy_peer, 2), "ports": self.several(self.policy_port, 2)},
            0.7,
        )

    def policy_peer(self) -> dict[str, Any]:
        if self.random.random() < 0.3:
            block = {"cidr": self.one(NETWORKS)}
            if block["cidr"] == "10.0.0.0/16":
                return {"ipBlock": {**block, "except": ["10.0.1.0/24"]}}
            return {"ipBlock": block}
        found = self.some({"podSelector": self.pods(), "namespaceSelector": self.spaces()})
        return found or {"podSelector": {}}

    def policy_port(self) -> dict[str, Any]:
        named = self.one((80, 81, "web", "dns", None))
        port: dict[str, Any] = {"protocol": self.one(("TCP", "UDP", "SCTP"))}
        if named is not None:
            port["port"] = named
        if isinstance(named, int) and self.random.random() < 0.3:
            port["endPort"] = self.one((81, 9999))
        return port

    def cluster_policy(self) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "tier": self.one(("Admin", "Baseline")),
            "priority": self.random.randint(0, 3),
            "subject": self.group(),
        }
        for section, peers in (("ingress", "from"), ("egress", "to")):
            if self.random.random() < 0.7:
                spec[section] = self.several(lambda peers=peers: self.tier_rule(peers), 4)
        return spec

    def group(self) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {"namespaces": self.spaces()}
        return {"pods": {"podSelector": self.pods(), **self.some({"namespaceSelector": self.spaces()})}}

    def tier_rule(self, peers: str) -> dict[str, Any]:
        action = self.one(("Accept", "Deny", "Pass"))
        found = self.several(lambda: self.tier_peer(peers, action), 2)
        rule: dict[str, Any] = {"action": action, peers: found}
        if self.random.random() < 0.6:
            named = all(each.keys() <= {"namespaces", "pods"} for each in found)
            rule["protocols"] = self.several(lambda: self.protocol(named), 2)
        return rule

    def tier_peer(self, peers: str, action: str) -> dict[str, Any]:
        kind = self.random.random()
        if peers == "from" or kind < 0.5:
            return self.group()
        if kind < 0.75:
            return {"networks": self.several(lambda: self.one(NETWORKS), 2)}
        if kind < 0.85 or action != "Accept":
            return {"nodes": self.selector(("zone",))}
        return {"domainNames": self.several(lambda: self.one(PATTERNS), 2)}

    def protocol(self, named: bool) -> dict[str, Any]:
        if named and self.random.random() < 0.3:
            return {"destinationNamedPort": self.one(("web", "dns", "absent"))}
        kind = self.one(("tcp", "udp", "sctp"))
        if self.random.random() < 0.2:
            return {kind: {}}
        if self.random.random() < 0.6:
            return {kind: {"destinationPort": {"number": self.one((80, 81))}}}
        start, end = self.one(((80, 81), (1, 80), (81, 65535), (79, 90)))
        return {kind: {"destinationPort": {"range": {"start": start, "end": end}}}}


def _ports(text: str) -> tuple[tuple[str, str, int], ...]:
    parts = [each.replace("=", "/").split("/") for each in text.split()]
    return tuple((name, protocol, int(number)) for name, number, protocol in parts)

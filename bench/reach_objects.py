"""Clusters at random for reachability, as manifests: namespaces, Deployments and policies of the usual kinds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TIERS = ("web", "api", "db", "batch")
PORTS = (80, 443, 5432, 6379, 8080, 9090)


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each; `pods` of each Deployment."""

    namespaces: int
    workloads: int
    pods: int
    policies: int

    def __str__(self) -> str:
        return f"{self.workloads * self.pods:,} pods in {self.workloads:,} workloads, {self.policies:,} policies"


def write(size: Size, folder: Path, seed: int = 1) -> Path:
    """Write the manifests into one file of the folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    with (folder / "cluster.yaml").open("w") as file:
        yaml.dump_all(_objects(size, random.Random(seed)), file, Dumper=dumper, sort_keys=False)
    return folder


def _objects(size: Size, chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(size.namespaces):
        labels = {"kubernetes.io/metadata.name": _namespace(number, size), "team": f"team-{number % 20}"}
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": _namespace(number, size), "labels": labels},
        }
    for number in range(size.workloads):
        yield _deployment(number, size, chance)
    for number in range(size.policies):
        yield _policy(number, size, chance)


def _namespace(workload: int, size: Size) -> str:
    return f"ns-{workload % size.namespaces}"


def _deployment(number: int, size: Size, chance: random.Random) -> dict[str, Any]:
    labels = {"app": f"app-{number}", "tier": chance.choice(TIERS)}
    ports = [{"name": "http", "containerPort": 8080 + number % 3}, {"name": "metrics", "containerPort": 9090}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}", "namespace": _namespace(number, size)},
        "spec": {
            "replicas": size.pods,
            "selector": {"matchLabels": {"app": f"app-{number}"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "example.com/app:1", "ports": ports}]},
            },
        },
    }


def _policy(number: int, size: Size, chance: random.Random) -> dict[str, Any]:
    """One in twenty is of a whole namespace; the others of one workload; half are of ingress."""
    workload = chance.randrange(size.workloads)
    selector = {} if number % 20 == 0 else {"matchLabels": {"app": f"app-{workload}"}}
    is_ingress = chance.random() < 0.5
    section, peers = ("ingress", "from") if is_ingress else ("egress", "to")
    rules = [{peers: [_peer(size, chance) for _ in range(2)], "ports": [_port(chance)]} for _ in range(2)]
    if chance.random() < 0.3:
        rules.append({peers: [{"ipBlock": {"cidr": f"203.0.{chance.randrange(256)}.0/24"}}]})
    spec = {"podSelector": selector, "policyTypes": [section.capitalize()], section: rules}
    metadata = {"name": f"policy-{number}", "namespace": _namespace(workload, size)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _peer(size: Size, chance: random.Random) -> dict[str, Any]:
    other = chance.randrange(size.workloads)
    one = {"matchLabels": {"app": f"app-{other}"}}
    tier = {"matchExpressions": [{"key": "tier", "operator": "In", "values": chance.sample(TIERS, 2)}]}
    home = {"matchLabels": {"kubernetes.io/metadata.name": _namespace(other, size)}}
    team = {"matchLabels": {"team": f"team-{chance.randrange(20)}"}}
    return chance.choice(
        [
            {"podSelector": tier},
            {"namespaceSelector": home, "podSelector": one},
            {"namespaceSelector": team},
            {"namespaceSelector": team, "podSelector": tier},
        ]
    )


def _port(chance: random.Random) -> dict[str, Any]:
    number = chance.choice(PORTS)
    return chance.choice(
        [{"port": number}, {"port": "http"}, {"protocol": "UDP", "port": 53}, {"port": 8000, "endPort": 8999}]
    )

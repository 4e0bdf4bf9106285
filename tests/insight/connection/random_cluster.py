"""Random clusters: two namespaces of a few pods, and policies of every form that their labels can tell apart."""

from __future__ import annotations

import random
from typing import Any

Object = dict[str, Any]
SPACES = ("a", "b")
PORTS = (80, 81, 90)


def namespaces(chance: random.Random) -> Object:
    """Return the labels of namespaces."""
    return {
        one: {"kubernetes.io/metadata.name": one, **({"team": chance.choice("xy")} if chance.random() < 0.7 else {})}
        for one in SPACES
    }


def pods(chance: random.Random) -> list[Object]:
    """Return pods, as the naive evaluator takes them."""
    found = []
    for number in range(5):
        labels = {"pod": f"p{number}", "app": chance.choice("uv")}
        labels |= {"tier": chance.choice("st")} if chance.random() < 0.5 else {}
        ports = {"http": chance.choice(PORTS)} if chance.random() < 0.7 else {}
        space = chance.choice(SPACES)
        found.append(
            {
                "namespace": space,
                "name": f"p{number}",
                "labels": labels,
                "address": f"10.1.0.{number + 1}",
                "ports": ports,
            }
        )
    return found


def manifests(chance: random.Random, spaces: Object, found: list[Object], *, with_blocks: bool) -> list[Object]:
    """Return the objects: namespaces, pods with their addresses, policies."""
    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in spaces.items()
    ]
    objects += [_pod(one) for one in found]
    return objects + [_policy(chance, number, with_blocks) for number in range(chance.randint(1, 5))]


def _pod(one: Object) -> Object:
    ports = [{"name": name, "containerPort": number} for name, number in one["ports"].items()]
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": one["name"], "namespace": one["namespace"], "labels": one["labels"]},
        "spec": {"containers": [{"name": "c", "ports": ports}]},
        "status": {"podIP": one["address"]},
    }  # fmt: skip


def _policy(chance: random.Random, number: int, with_blocks: bool) -> Object:
    types = chance.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    spec: Object = {"podSelector": _selector(chance), "policyTypes": types}
    for type_, peers in (("Ingress", "from"), ("Egress", "to")):
        if type_ in types:
            spec[type_.lower()] = [_rule(chance, peers, with_blocks) for _ in range(chance.randint(0, 2))]
    metadata = {"name": f"n{number}", "namespace": chance.choice(SPACES)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _rule(chance: random.Random, peers: str, with_blocks: bool) -> Object:
    rule: Object = {}
    if chance.random() < 0.8:
        rule[peers] = [_peer(chance, with_blocks) for _ in range(chance.randint(1, 2))]
    if chance.random() < 0.6:
        rule["ports"] = [_port(chance) for _ in range(chance.randint(1, 2))]
    return rule


def _peer(chance: random.Random, with_blocks: bool) -> Object:
    if with_blocks and chance.random() < 0.3:
        block: Object = {"cidr": chance.choice(("0.0.0.0/0", "10.1.0.0/30", "10.1.0.0/16", "10.244.0.0/24"))}
        if block["cidr"] == "0.0.0.0/0" and chance.random() < 0.5:
            block["except"] = ["10.1.0.2/32"]
        return {"ipBlock": block}
    peer: Object = {}
    if chance.random() < 0.5:
        peer["namespaceSelector"] = chance.choice(
            ({}, {"matchLabels": {"team": "x"}}, {"matchLabels": {"kubernetes.io/metadata.name": "b"}},
             {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]})
        )  # fmt: skip
    if not peer or chance.random() < 0.7:
        peer["podSelector"] = _selector(chance)
    return peer


def _selector(chance: random.Random) -> Object:
    return chance.choice(
        ({}, {"matchLabels": {"app": "u"}}, {"matchLabels": {"app": "v", "tier": "s"}}, {"matchLabels": {"pod": "p1"}},
         {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
         {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["p0", "p2"]}]},
         {"matchExpressions": [{"key": "app", "operator": "In", "values": ["u", "w"]}]})
    )  # fmt: skip


def _port(chance: random.Random) -> Object:
    return chance.choice(
        ({"port": 80}, {"port": 81, "protocol": "TCP"}, {"port": "http"}, {"port": 80, "endPort": 90},
         {"protocol": "UDP", "port": 80}, {"protocol": "TCP"})
    )  # fmt: skip

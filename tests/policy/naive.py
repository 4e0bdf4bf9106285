"""Whether a connection is allowed, written straight from the words of the two APIs, over plain documents.

Nothing of podwire is used: each connection walks through all policies. Sources: kubernetes.io "Network Policies";
network-policy-api v0.2.0, comments of the types.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class NaivePod:
    """A pod that is not of its node's network. `ports` are (name, protocol, number)."""

    namespace: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    ports: tuple[tuple[str, str, int], ...] = ()


@dataclass
class NaiveCluster:
    """All there is. `policies` are (namespace, spec), `names` the addresses that DNS returned for names of hosts."""

    namespaces: dict[str, Mapping[str, str]]
    pods: list[NaivePod]
    policies: list[tuple[str, Document]]
    cluster_policies: Mapping[str, Document]
    nodes: list[tuple[Mapping[str, str], tuple[str, ...]]] = field(default_factory=list)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def allows(self, source: str, destination: str, protocol: str, port: int | None) -> bool:
        """Whether a connection between two addresses comes about."""
        if source == destination:
            return True
        return self.agrees("egress", source, destination, protocol, port) and self.agrees(
            "ingress", destination, source, protocol, port
        )

    def agrees(self, direction: str, subject: str, other: str, protocol: str, port: int | None) -> bool:
        """Whether the end at the address `subject` lets it be: Admin, NetworkPolicy, Baseline, then allowed."""
        pod = self._pod(subject)
        if pod is None:
            return True
        receiver = self._pod(other if direction == "egress" else subject)
        admin = self._tier("Admin", direction, pod, other, receiver, protocol, port)
        if admin in {"Accept", "Deny"}:
            return admin == "Accept"
        isolating = [(home, spec) for home, spec in self.policies if self._isolates(home, spec, direction, pod)]
        if isolating:
            return any(
                self._admits(home, rule, direction, other, receiver, protocol, port)
                for home, spec in isolating
                for rule in spec.get(direction, [])
            )
        return self._tier("Baseline", direction, pod, other, receiver, protocol, port) != "Deny"

    def _pod(self, address: str) -> NaivePod | None:
        return next((pod for pod in self.pods if address in pod.addresses), None)

    def _tier(
        self,
        tier: str,
        direction: str,
        pod: NaivePod,
        other: str,
        receiver: NaivePod | None,
        protocol: str,
        port: int | None,
    ) -> str:
        """The action of the first rule of a tier that matches; of equal priorities the first by name."""
        ordered = sorted(self.cluster_policies.items(), key=lambda item: (item[1]["priority"], item[0]))
        for _, spec in ordered:
            if spec["tier"] != tier or not self._group(spec["subject"], pod):
                continue
            for rule in spec.get(direction, []):
                peers = rule["to" if direction == "egress" else "from"]
                if any(self._peer(peer, other) for peer in peers) and _protocols(rule, receiver, protocol, port):
                    return str(rule["action"])
        return "none"

    def _group(self, document: Document, pod: NaivePod | None) -> bool:
        """Pods by the selector of their namespaces, or by both selectors."""
        if pod is None:
            return False
        if "namespaces" in document:
            return _selects(document["namespaces"], self.namespaces[pod.namespace])
        both = document["pods"]
        return _selects(both.get("namespaceSelector", {}), self.namespaces[pod.namespace]) and _selects(
            both["podSelector"], pod.labels
        )

    def _peer(self, document: Document, address: str) -> bool:
        if "networks" in document:
            return any(_within(address, cidr) for cidr in document["networks"])
        if "nodes" in document:
            return any(address in held and _selects(document["nodes"], labels) for labels, held in self.nodes)
        if "domainNames" in document:
            return any(
                address in held and any(_named(pattern, name) for pattern in document["domainNames"])
                for name, held in self.names.items()
            )
        return self._group(document, self._pod(address))

    def _isolates(self, home: str, spec: Document, direction: str, pod: NaivePod) -> bool:
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        selected = pod.namespace == home and _selects(spec.get("podSelector", {}), pod.labels)
        return selected and direction.capitalize() in types

    def _admits(
        self,
        home: str,
        rule: Document,
        direction: str,
        other: str,
        receiver: NaivePod | None,
        protocol: str,
        port: int | None,
    ) -> bool:
        peers = rule.get("to" if direction == "egress" else "from")
        if peers and not any(self._policy_peer(home, peer, other) for peer in peers):
            return False
        return not rule.get("ports") or any(_port(each, receiver, protocol, port) for each in rule["ports"])

    def _policy_peer(self, home: str, peer: Document, address: str) -> bool:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            return _within(address, block["cidr"]) and not any(_within(address, e) for e in block.get("except", []))
        pod = self._pod(address)
        if pod is None:
            return False
        if "namespaceSelector" in peer:
            if not _selects(peer["namespaceSelector"], self.namespaces[pod.namespace]):
                return False
        elif pod.namespace != home:
            return False
        return _selects(peer.get("podSelector", {}), pod.labels)


def _selects(selector: Document, labels: Mapping[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for line in selector.get("matchExpressions", []):
        value, values = labels.get(line["key"]), line.get("values", [])
        holds = {
            "In": value is not None and value in values,
            "NotIn": value is None or value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[line["operator"]]
        if not holds:
            return False
    return True


def _within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _named(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return name == pattern


def _protocols(rule: Document, receiver: NaivePod | None, protocol: str, port: int | None) -> bool:
    """Ports of a rule of a ClusterNetworkPolicy."""
    if "protocols" not in rule:
        return True
    for each in rule["protocols"]:
        ((kind, value),) = each.items()
        if kind == "destinationNamedPort":
            if receiver is not None and (value, protocol, port) in receiver.ports:
                return True
            continue
        if kind.upper() != protocol:
            continue
        wanted = value.get("destinationPort", {"range": {"start": 0, "end": 65535}})
        span = wanted.get("range", {"start": wanted.get("number"), "end": wanted.get("number")})
        if port is not None and span["start"] <= port <= span["end"]:
            return True
    return False


def _port(document: Document, receiver: NaivePod | None, protocol: str, port: int | None) -> bool:
    """A port of a rule of a NetworkPolicy."""
    if document.get("protocol", "TCP") != protocol or port is None:
        return False
    wanted = document.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return receiver is not None and (wanted, protocol, port) in receiver.ports
    return bool(wanted <= port <= document.get("endPort", wanted))

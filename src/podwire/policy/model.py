"""What a NetworkPolicy means: who it selects, and for each direction the rules that allow.

Read fail closed: a part that is not valid allows nothing, and a policy whose own selector is not valid isolates its
whole namespace and allows nothing. Sources: k8s.io/api `networking/v1/types.go`; kubernetes.io "Network Policies".
"""

from __future__ import annotations

import enum
import ipaddress
import re
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.kube.selectors import label_keys, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podwire.kube.core import Pod
    from podwire.kube.networking import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
    from podwire.policy.peer_objects import PeerPodObject

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYTHING = LabelSelector()
PROTOCOLS = ("TCP", "UDP", "SCTP")
LAST_PORT = 65535

_CIDR = re.compile(r"[0-9a-fA-F:.]+/[0-9]{1,3}")
_NEEDS_VALUES = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}


class Direction(enum.Enum):
    """Seen from the pod that the policy selects. Ingress: it receives; egress: it sends."""

    INGRESS = "ingress"
    EGRESS = "egress"

    __hash__ = object.__hash__  # Enum's own is written in Python, and each row is hashed by its direction


class NamedPort(msgspec.Struct, frozen=True, order=True):
    """A port that a container of the pod gives a name to."""

    name: str
    protocol: str
    number: int


class Identity(msgspec.Struct, frozen=True, order=True):
    """What policies can distinguish of a pod: its namespace, the labels that some selector reads, its named ports.

    Pods with the same identity are the same to every policy.
    """

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[NamedPort, ...] = ()

    def __str__(self) -> str:
        labels = ", ".join(f"{key}={value}" for key, value in self.labels)
        return f"pods of {self.namespace} with {labels}" if labels else f"other pods of {self.namespace}"

    def selected_by(self, selector: LabelSelector) -> bool:
        """Whether the selector selects pods of this identity, by labels alone."""
        return selector == EVERYTHING or matches(selector, dict(self.labels))


class Party(msgspec.Struct, frozen=True):
    """One end of a connection. Without an identity it is no pod, or a host-network one; `node` is where it is."""

    address: IPAddress
    identity: Identity | None = None
    node: str = ""


class Pods(msgspec.Struct, frozen=True):
    """Pods of the policy's own namespace (`namespaces` is None) or of all that it selects."""

    namespaces: LabelSelector | None
    pods: LabelSelector


class Block(msgspec.Struct, frozen=True):
    """Addresses of a network without the networks in `excepts`."""

    network: IPNetwork
    excepts: tuple[IPNetwork, ...] = ()

    def holds(self, address: IPAddress) -> bool:
        """Whether the address is meant."""
        return address in self.network and not any(address in network for network in self.excepts)


Peer = Pods | Block


class Ports(msgspec.Struct, frozen=True, order=True):
    """Ports of one protocol, from first to last."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT


class PortName(msgspec.Struct, frozen=True, order=True):
    """A port by its name on the receiving pod; the protocol must be the same."""

    protocol: str
    name: str

    def numbers(self, identity: Identity) -> Iterable[int]:
        """The numbers that pods of this identity give the name."""
        return (p.number for p in identity.ports if p.name == self.name and p.protocol == self.protocol)


class Rule(msgspec.Struct, frozen=True):
    """One entry of an ingress or egress list. None is no restriction; an empty tuple matches nothing."""

    peers: tuple[Peer, ...] | None
    ports: tuple[Ports | PortName, ...] | None

    @property
    def names_ports(self) -> bool:
        """Whether some port is given by name."""
        return any(isinstance(port, PortName) for port in self.ports or ())


class Policy(msgspec.Struct, frozen=True):
    """A NetworkPolicy. None for a direction: the policy does not apply to it; an empty tuple: nothing is allowed."""

    key: NamespacedName
    selector: LabelSelector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """The rules of one direction."""
        return self.ingress if direction is Direction.INGRESS else self.egress

    def selects(self, identity: Identity) -> bool:
        """Whether pods of this identity are subjects of the policy."""
        return identity.namespace == self.key.namespace and identity.selected_by(self.selector)

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules of both directions."""
        return (self.ingress or ()) + (self.egress or ())

    @property
    def own_label_keys(self) -> frozenset[str]:
        """The keys of pods' labels that the policy reads in its own namespace only."""
        own = [p.pods for r in self.all_rules for p in r.peers or () if isinstance(p, Pods) and p.namespaces is None]
        return frozenset().union(label_keys(self.selector), *map(label_keys, own))

    @property
    def far_label_keys(self) -> frozenset[str]:
        """The keys of pods' labels that the policy reads in any namespace."""
        return frozenset().union(*(label_keys(p.pods) for p in self._far_peers()))

    @property
    def reaches_out(self) -> bool:
        """Whether its rows depend on other namespaces or on pods in them."""
        return any(True for _ in self._far_peers()) or any(r.names_ports and r.peers is None for r in self.egress or ())

    @property
    def reads_peers(self) -> bool:
        """Whether its rows depend on other pods than those that it selects; blocks of addresses alone do not."""
        peers = (peer for rule in self.all_rules for peer in rule.peers or ())
        return any(isinstance(peer, Pods) for peer in peers) or any(rule.names_ports for rule in self.egress or ())

    @property
    def named_blocks(self) -> tuple[Block, ...]:
        """The blocks whose pods define the numbers of named ports: egress rules resolve the name at the destination."""
        rules = (rule for rule in self.egress or () if rule.names_ports)
        return tuple(peer for rule in rules for peer in rule.peers or () if isinstance(peer, Block))

    def namespace_selectors(self) -> Iterable[LabelSelector]:
        """Every selector that reads the labels of namespaces."""
        return (p.namespaces for p in self._far_peers() if p.namespaces is not None)

    def _far_peers(self) -> Iterable[Pods]:
        peers = (peer for rule in self.all_rules for peer in rule.peers or ())
        return (peer for peer in peers if isinstance(peer, Pods) and peer.namespaces is not None)


def policy(source: NetworkPolicy) -> Policy:
    """The meaning of the object."""
    spec = source.spec
    types = set(spec.policy_types) or ({"Ingress", "Egress"} if spec.egress else {"Ingress"})
    unknown = bool(types - {"Ingress", "Egress"})
    usable = valid(spec.pod_selector)
    ingress = tuple(Rule(_peers(r.from_), _ports(r.ports)) for r in spec.ingress) if usable else ()
    egress = tuple(Rule(_peers(r.to), _ports(r.ports)) for r in spec.egress or ()) if usable else ()
    return Policy(
        source.key,
        spec.pod_selector if usable else EVERYTHING,
        ingress if unknown or "Ingress" in types else None,
        egress if unknown or "Egress" in types else None,
    )


def identity(pod: Pod, keys: Iterable[str]) -> Identity:
    """The identity of a pod where policies read these label keys."""
    labels = pod.metadata.labels
    return Identity(
        pod.metadata.namespace,
        tuple(sorted((key, labels[key]) for key in keys if key in labels)),
        named_ports(pod),
    )


def named_ports(pod: Pod | PeerPodObject) -> tuple[NamedPort, ...]:
    """The ports of a pod's containers that have a name, sidecars' too; sorted."""
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    ports = (p for c in (*pod.spec.containers, *sidecars) for p in c.ports if p.name)
    return tuple(sorted({NamedPort(p.name, p.protocol, p.container_port) for p in ports}))


def pods_match(
    peer: Pods, home: str, identity: Identity, namespace_labels: Callable[[str], Mapping[str, str] | None]
) -> bool:
    """Whether the peer of a policy in namespace `home` means pods of this identity.

    A namespace whose labels are not known yet is matched by an empty selector only.
    """
    return namespace_matches(peer, home, identity.namespace, namespace_labels) and identity.selected_by(peer.pods)


def namespace_matches(
    peer: Pods, home: str, namespace: str, namespace_labels: Callable[[str], Mapping[str, str] | None]
) -> bool:
    """Whether the peer of a policy in namespace `home` looks into this namespace."""
    if peer.namespaces is None:
        return namespace == home
    if peer.namespaces == EVERYTHING:
        return True
    labels = namespace_labels(namespace)
    return labels is not None and matches(peer.namespaces, labels)


def valid(selector: LabelSelector) -> bool:
    """Whether every line of the selector is one that the API allows."""
    return all(_NEEDS_VALUES.get(r.operator) is bool(r.values) for r in selector.match_expressions)


def _peers(peers: tuple[NetworkPolicyPeer, ...]) -> tuple[Peer, ...] | None:
    if not peers:
        return None
    return tuple(found for peer in peers if (found := peer_of(peer)) is not None)


def peer_of(peer: NetworkPolicyPeer) -> Peer | None:
    """Return what one entry of `from` or `to` means; None for one that is not valid, and so matches no peer."""
    if peer.ip_block is not None:
        return _block(peer.ip_block) if peer.pod_selector is None and peer.namespace_selector is None else None
    if peer.pod_selector is None and peer.namespace_selector is None:
        return None
    found = Pods(peer.namespace_selector, peer.pod_selector or EVERYTHING)
    return found if valid(found.pods) and (found.namespaces is None or valid(found.namespaces)) else None


def _block(block: IPBlock) -> Block | None:
    whole, excepts = network(block.cidr), tuple(map(network, block.except_))
    known = tuple(e for e in excepts if e is not None)
    if whole is None or len(known) < len(excepts) or any(e.version != whole.version for e in known):
        return None
    return Block(whole, known)


def network(cidr: str) -> IPNetwork | None:
    """Return the network, None for what is none: a bare address, a netmask, leading zeros. Lower bits are ignored."""
    if not _CIDR.fullmatch(cidr):
        return None
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None


def _ports(ports: tuple[NetworkPolicyPort, ...]) -> tuple[Ports | PortName, ...] | None:
    if not ports:
        return None
    return tuple(found for port in ports if (found := _port(port)) is not None)


def _port(port: NetworkPolicyPort) -> Ports | PortName | None:
    if port.protocol not in PROTOCOLS:
        return None
    if port.port is None:
        return Ports(port.protocol) if port.end_port is None else None
    if isinstance(port.port, str):
        return PortName(port.protocol, port.port) if port.end_port is None else None
    last = port.port if port.end_port is None else port.end_port
    return Ports(port.protocol, port.port, last) if 1 <= port.port <= last <= LAST_PORT else None

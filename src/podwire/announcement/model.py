"""Which addresses of load balancers are announced, and by which nodes. Pure.

Every node decides the same from the same objects: there is no election by messages or leases. Sources: k8s.io/api
`core/v1` LoadBalancerIngress; kubernetes.io "Service", `externalTrafficPolicy`; Thaler and Ravishankar, "Using
name-based mappings to increase hit rates" (rendezvous hashing).
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Iterator

import msgspec

from podwire.kube.addresses import IPAddress, usable
from podwire.kube.core import EXCLUDE_FROM_LOAD_BALANCERS, Node
from podwire.kube.discovery import NOT_PROXIED
from podwire.kube.services import Service

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Announcer(msgspec.Struct, frozen=True):
    """A Node, as far as announcements depend on it: may it announce, is it Ready, and its addresses."""

    name: str
    admitted: bool
    ready: bool
    addresses: tuple[IPAddress, ...] = ()


class Link(msgspec.Struct, frozen=True):
    """A link of this node, by its name, and its addresses with the length of their subnet's prefix."""

    name: str
    addresses: tuple[IPInterface, ...]


def announcer(node: Node) -> Announcer:
    """Return what announcements depend on: excluded by its label or about to be deleted, a node is not admitted."""
    excluded = EXCLUDE_FROM_LOAD_BALANCERS in node.metadata.labels
    addresses = tuple(found for found in map(usable, node.internal_addresses) if found is not None)
    return Announcer(node.metadata.name, not excluded and not node.leaving, node.ready, addresses)


def load_balancer_addresses(service: Service, ranges: Collection[IPNetwork]) -> Iterator[IPAddress]:
    """Return the addresses in these ranges that a load balancer gave to the Service and that nodes serve (VIP)."""
    if service.spec.type != "LoadBalancer" or NOT_PROXIED & service.metadata.labels.keys():
        return
    for ingress in service.status.load_balancer.ingress:
        address = usable(ingress.ip)
        if address is not None and ingress.ip_mode != "Proxy" and any(address in block for block in ranges):
            yield address


def eligible(nodes: Iterable[Announcer]) -> frozenset[str]:
    """Return the nodes that may announce: the Ready ones; where none is, all that are admitted.

    When no node at all is Ready, the fault is not theirs: to withdraw every address would make it worse.
    """
    admitted = [node for node in nodes if node.admitted]
    ready = frozenset(node.name for node in admitted if node.ready)
    return ready or frozenset(node.name for node in admitted)


def electorate(eligible_nodes: frozenset[str], claims: Iterable[frozenset[str] | None]) -> frozenset[str]:
    """Return the nodes of which one announces an address, and all that do so by BGP.

    A claim is for one Service with this address, the oldest first: the nodes that it must be announced by, or None for
    any. The Services of one address have to agree: a claim that leaves no node of those before it is disregarded.
    Where no Service accepts any eligible node the result is empty.
    """
    nodes: frozenset[str] = frozenset()
    for claim in claims:
        desired = eligible_nodes if claim is None else eligible_nodes & claim
        nodes = (nodes & desired) or nodes or desired
    return nodes


def elected(address: IPAddress, nodes: Collection[str]) -> str:
    """Return the node that announces the address by ARP and neighbour discovery; empty where there is none.

    The highest hash of node and address wins: when a node leaves, only its own addresses move.
    """
    return max(nodes, key=lambda node: hashlib.sha256(f"{address} {node}".encode()).digest(), default="")


def link_of(address: IPAddress, links: Iterable[Link]) -> str:
    """Return the name of the link on which clients look for the address; empty where it is a link's own.

    It is the link in whose subnet the address lies, else the first one with an address of its family: hosts may have a
    route to such addresses on that link.
    """
    found = [(link.name, own) for link in links for own in link.addresses if own.version == address.version]
    if any(address == own.ip for _, own in found):
        return ""
    return next((name for name, own in found if address in own.network), found[0][0] if found else "")

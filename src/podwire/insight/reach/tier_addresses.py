"""ClusterNetworkPolicies with addresses in place of nodes and DNS names. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator

import msgspec

from podwire.policy.model import Block, IPAddress
from podwire.policy.tiers import ClusterPolicy, NamePeers, NodePeers, TierPeer, TierRule

Addresses = Callable[[NodePeers | NamePeers], Iterable[IPAddress]]


def with_addresses(policy: ClusterPolicy, addresses: Addresses) -> ClusterPolicy:
    """Return the policy with a block for each address of its nodes and names."""

    def peers(rule: TierRule) -> TierRule:
        if rule.peers is None:
            return rule
        found = tuple(one for peer in rule.peers for one in _blocks(peer, addresses))
        return msgspec.structs.replace(rule, peers=found)

    ingress, egress = tuple(map(peers, policy.ingress)), tuple(map(peers, policy.egress))
    return msgspec.structs.replace(policy, ingress=ingress, egress=egress)


def _blocks(peer: TierPeer, addresses: Addresses) -> Iterator[TierPeer]:
    if isinstance(peer, NodePeers | NamePeers):
        yield from (Block(ipaddress.ip_network(address)) for address in addresses(peer))
    else:
        yield peer

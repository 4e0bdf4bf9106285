"""What a ClusterNetworkPolicy means: whose connections it decides, and its rules in order. Pure.

Source: sigs.k8s.io/network-policy-api v0.2.0 `apis/v1alpha2`; its NPEP-133 for domain names.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.meta import LabelSelector
from podwire.kube.selectors import label_keys
from podwire.policy.model import Block, Direction, Identity, Pods, PortName, Ports, pods_match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podwire.policy.model import IPNetwork


class Tier(enum.IntEnum):
    """In the order in which they decide; NetworkPolicies are between ADMIN and BASELINE.

    DEFAULT is no tier of the API: what `--default-deny` decides after all policies.
    """

    ADMIN = 0
    BASELINE = 1
    DEFAULT = 2


class Action(enum.Enum):
    """What a rule does with the connections that it matches."""

    ACCEPT = "Accept"
    DENY = "Deny"
    PASS = "Pass"  # noqa: S105


class NodePeers(msgspec.Struct, frozen=True):
    """Addresses of the nodes that the selector selects by their labels."""

    selector: LabelSelector


class NamePeers(msgspec.Struct, frozen=True):
    """Addresses that the cluster's DNS returned for a name, in lower case without the last dot.

    With `*.` at its start it means all names below, at any depth, and not the name itself.
    """

    pattern: str

    def means(self, name: str) -> bool:
        """Whether the name is meant; both in lower case without a last dot."""
        if self.pattern.startswith("*."):
            return name.endswith(self.pattern[1:]) and len(name) > len(self.pattern) - 1
        return name == self.pattern


TierPeer = Pods | Block | NodePeers | NamePeers


class TierRule(msgspec.Struct, frozen=True):
    """One rule. `peers` None: everyone, pods or not; an empty tuple matches no peer. `ports` None: all traffic."""

    action: Action
    peers: tuple[TierPeer, ...] | None
    ports: tuple[Ports | PortName, ...] | None
    name: str = ""

    @property
    def names_ports(self) -> bool:
        """Whether some port is given by name."""
        return any(isinstance(port, PortName) for port in self.ports or ())


class ClusterPolicy(msgspec.Struct, frozen=True):
    """A ClusterNetworkPolicy as it is applied. `problems` are its fields that cannot be honoured, with what is done."""

    name: str
    tier: Tier
    priority: int
    subject: Pods
    ingress: tuple[TierRule, ...] = ()
    egress: tuple[TierRule, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def precedence(self) -> tuple[int, int, str]:
        """The smallest is first. Of policies with the same priority the API lets any decide: here the first by name."""
        return self.tier, self.priority, self.name

    def rules(self, direction: Direction) -> tuple[TierRule, ...]:
        """The rules of one direction."""
        return self.ingress if direction is Direction.INGRESS else self.egress

    def selects(self, identity: Identity, namespace_labels: Callable[[str], Mapping[str, str] | None]) -> bool:
        """Whether pods of this identity are subjects of the policy."""
        return pods_match(self.subject, "", identity, namespace_labels)

    @property
    def all_rules(self) -> tuple[TierRule, ...]:
        """The rules of both directions."""
        return self.ingress + self.egress

    @property
    def peers(self) -> Iterable[TierPeer]:
        """The peers of all rules."""
        return (peer for rule in self.all_rules for peer in rule.peers or ())

    @property
    def label_keys(self) -> frozenset[str]:
        """The keys of pods' labels that the policy reads."""
        selectors = [self.subject.pods, *(peer.pods for peer in self.peers if isinstance(peer, Pods))]
        return frozenset().union(*map(label_keys, selectors))

    @property
    def networks(self) -> frozenset[IPNetwork]:
        """The networks that rules name."""
        return frozenset(peer.network for peer in self.peers if isinstance(peer, Block))

    @property
    def reads_peers(self) -> bool:
        """Whether its decisions depend on which pods there are."""
        return bool(self.all_rules)


class TierSubject(msgspec.Struct, frozen=True):
    """The pods of an identity as subjects of ClusterNetworkPolicies: an owner of rows beside the identity itself."""

    identity: Identity


def sorted_policies(policies: Iterable[ClusterPolicy]) -> list[ClusterPolicy]:
    """Return the policies in the order in which they decide."""
    return sorted(policies, key=lambda policy: policy.precedence)

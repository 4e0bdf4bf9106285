"""The model in which every pod is isolated: what nothing admits is denied, but for DNS."""

from __future__ import annotations

from podwire.kube.meta import LabelSelector
from podwire.policy.model import EVERYTHING, Pods, Ports
from podwire.policy.tiers import Action, ClusterPolicy, Tier, TierRule

NAME = "--default-deny"
DNS_PODS = Pods(
    LabelSelector(match_labels={"kubernetes.io/metadata.name": "kube-system"}),
    LabelSelector(match_labels={"k8s-app": "kube-dns"}),
)
_ALL = Pods(EVERYTHING, EVERYTHING)
_DNS = (Ports("UDP", 53, 53), Ports("TCP", 53, 53))

DEFAULT_DENY = (
    ClusterPolicy(
        f"{NAME} (cluster DNS)",
        Tier.DEFAULT,
        0,
        DNS_PODS,
        (TierRule(Action.ACCEPT, None, _DNS, "DNS, of host-network pods of other nodes too"),),
        (TierRule(Action.ACCEPT, None, None, "the API server and upstream DNS servers"),),
    ),
    ClusterPolicy(
        NAME,
        Tier.DEFAULT,
        1,
        _ALL,
        (TierRule(Action.DENY, None, None),),
        (TierRule(Action.ACCEPT, (DNS_PODS,), _DNS, "DNS"), TierRule(Action.DENY, None, None)),
    ),
)
"""After all policies. A pod that NetworkPolicies isolate may do what they admit, DNS not included."""

"""A snapshot as policies see it: the view of the agents' own model, with one pod for each workload. Pure."""

from __future__ import annotations

from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.core import Namespace, Pod
from podwire.kube.meta import ObjectMeta
from podwire.kube.watch import Change
from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.view import View

NO_NODE = "-"
"""No pod is attached here: addresses are those of the pods' status. No node can have this name."""


def policy_view(snapshot: Snapshot) -> View:
    """Return the policies and namespaces. Pods are not in it: `pod_of` has the labels and ports that identify them."""
    view = View(NO_NODE, DEFAULT_DENY if snapshot.default_deny else ())
    for name, labels in snapshot.namespaces.items():
        namespace = Namespace(metadata=ObjectMeta(name=name, labels=dict(labels)))
        view.namespace_changed(Change(None, namespace))
    for policy in snapshot.policies:
        view.policy_changed(Change(None, policy))
    for tier in snapshot.cluster_policies:
        view.cluster_policy_changed(Change(None, tier))
    for node in snapshot.nodes:
        view.tiers.node_changed(Change(None, node))
    return view


def pod_of(workload: Workload) -> Pod:
    """Return a pod of the workload, without an address."""
    metadata = ObjectMeta(name=workload.name, namespace=workload.namespace, labels=dict(workload.labels))
    return Pod(metadata=metadata, spec=workload.spec)

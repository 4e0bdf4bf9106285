"""Other programs of a cluster that do what podwire does: pod networks, and kube-proxy. Pure."""

from __future__ import annotations

from podwire.kube.apps import DaemonSet

KUBE_PROXY = "kube-proxy"
REPLACED = "podwire.dev/kube-proxy-replaced"
"""A node selector that no node has: a kube-proxy with it runs nowhere, and without it everywhere again."""
NETWORKS = {
    "aws-node": "Amazon VPC CNI",
    "antrea-agent": "Antrea",
    "calico-node": "Calico",
    "canal": "Canal",
    "cilium": "Cilium",
    "kindnet": "kindnet",
    "kube-flannel-ds": "Flannel",
    "kube-ovn-cni": "Kube-OVN",
    "kube-router": "kube-router",
    "ovnkube-node": "OVN-Kubernetes",
    "weave-net": "Weave Net",
}
"""Pod networks by the names of their DaemonSets, as their own manifests have them."""


def is_kube_proxy(daemon_set: DaemonSet) -> bool:
    """Whether its pods are kube-proxy, as kubeadm names and labels it."""
    return KUBE_PROXY in {daemon_set.metadata.name, daemon_set.metadata.labels.get("k8s-app")}


def replaced(daemon_set: DaemonSet) -> bool:
    """Whether podwire keeps this kube-proxy from running."""
    return REPLACED in (daemon_set.spec.template.spec.get("nodeSelector") or {})

"""The names by which the DNS of a cluster is known, whatever serves it.

Source: kubernetes.io "Debugging DNS Resolution".
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE, NAME = "kube-system", "kube-dns"
LABEL = "k8s-app"
LABELS = {LABEL: NAME}
"""Of its pods, and of a Service of it that has another name."""


def is_dns(labels: Mapping[str, str]) -> bool:
    """Whether these are labels of a pod or a Service of the cluster's DNS."""
    return labels.get(LABEL) == NAME

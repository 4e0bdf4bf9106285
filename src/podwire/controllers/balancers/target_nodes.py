"""The nodes that load balancers send to. Pure.

Source: k8s.io/cloud-provider `controllers/service/controller.go`, stableNodeSetPredicates. Readiness does not matter:
providers check the health of their targets themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.kube.core import Node

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"

_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's strconv.ParseBool takes for false; any other value of the label excludes the node, the empty one too."""


def target_nodes(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes that are targets, by name."""
    return tuple(sorted(filter(_is_target, nodes), key=lambda node: node.metadata.name))


def _is_target(node: Node) -> bool:
    excluded = node.metadata.labels.get(EXCLUDE_LABEL)
    if excluded is not None and excluded not in _FALSE:
        return False
    deleted = node.metadata.deletion_timestamp is not None
    return not deleted and all(taint.key != TO_BE_DELETED for taint in node.spec.taints)

"""The nodes that load balancers send to. Pure.

Source: k8s.io/cloud-provider `controllers/service/controller.go`, stableNodeSetPredicates. Readiness does not matter:
providers check the health of their targets themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.kube.core import EXCLUDE_FROM_LOAD_BALANCERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.kube.core import Node

_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's strconv.ParseBool takes for false; any other value of the label excludes the node, the empty one too."""


def target_nodes(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes that are targets, by name."""
    return tuple(sorted(filter(_is_target, nodes), key=lambda node: node.metadata.name))


def _is_target(node: Node) -> bool:
    excluded = node.metadata.labels.get(EXCLUDE_FROM_LOAD_BALANCERS)
    return not node.leaving and (excluded is None or excluded in _FALSE)

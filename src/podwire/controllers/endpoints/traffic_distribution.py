"""Where the clients of an endpoint should be, by the fields and annotations of its Service. Pure.

Source: kubernetes `staging/src/k8s.io/endpointslice` trafficdist/trafficdist.go and utils.go (hintsEnabled).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.discovery import EndpointHints, ForNode, ForZone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.kube.discovery import Endpoint
    from podwire.kube.services import Service

TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
TOPOLOGY_AWARE_HINTS = "service.kubernetes.io/topology-aware-hints"


class Distribution(enum.Enum):
    """Which hints the endpoints of a Service get."""

    NONE = "none"
    SAME_ZONE = "same zone"
    SAME_NODE = "same node"
    AUTO = "auto"


_BY_FIELD = {
    "PreferClose": Distribution.SAME_ZONE,
    "PreferSameZone": Distribution.SAME_ZONE,
    "PreferSameNode": Distribution.SAME_NODE,
}


def distribution(service: Service) -> Distribution:
    """Return which hints the Service requests. The annotations go before the field, the older one before the newer."""
    annotations = service.metadata.annotations
    mode = annotations.get(TOPOLOGY_AWARE_HINTS, annotations.get(TOPOLOGY_MODE))
    if mode in {"Auto", "auto"}:
        return Distribution.AUTO
    return _BY_FIELD.get(service.spec.traffic_distribution or "", Distribution.NONE)


def with_hints(endpoints: Sequence[Endpoint], desired: Distribution) -> list[Endpoint]:
    """Return the endpoints with the hints of the field trafficDistribution; those that are not ready have none."""
    if desired not in {Distribution.SAME_ZONE, Distribution.SAME_NODE}:
        return list(endpoints)
    return [msgspec.structs.replace(one, hints=_hints(one, desired)) if one.ready else one for one in endpoints]


def _hints(endpoint: Endpoint, desired: Distribution) -> EndpointHints:
    by_node = desired is Distribution.SAME_NODE and endpoint.node_name
    return EndpointHints(
        for_zones=(ForZone(name=endpoint.zone),) if endpoint.zone else (),
        for_nodes=(ForNode(name=endpoint.node_name),) if by_node else (),
    )

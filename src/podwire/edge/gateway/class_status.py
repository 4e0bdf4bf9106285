"""The status of a GatewayClass. Pure. Source: gateway-api v1.6.3 `gatewayclass_types.go`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.kinds.gateway_class import GatewayClass


def class_status(
    item: GatewayClass, problem: Problem | None, features: Iterable[str], now: datetime
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a class of this controller; empty for no change."""
    accepted = problem or condition("Accepted", True, "Accepted")
    conditions = merged(item.status.conditions, (accepted,), item.metadata.generation, now, ("Accepted",))
    return changed(
        item.status, {"conditions": conditions, "supportedFeatures": [{"name": one} for one in sorted(features)]}
    )

"""The status of a GatewayClass. Pure. Source: gateway-api v1.6.3 `gatewayclass_types.go`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.kinds.gateway_class import GatewayClass

RELEASE = "v1.6"
"""The release of the definitions that is served; its patches add no field."""
_TYPES = ("Accepted", "SupportedVersion")


def class_status(
    item: GatewayClass, problem: Problem | None, features: Iterable[str], release: str | None, now: datetime
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a class of this controller; empty for no change.

    `release` is that of the definitions, None where it is not known. Of another one is served what is the same.
    """
    desired = [problem or condition("Accepted", True, "Accepted")]
    if release is not None:
        desired.append(_version(release))
    conditions = merged(item.status.conditions, desired, item.metadata.generation, now, _TYPES)
    return changed(
        item.status, {"conditions": conditions, "supportedFeatures": [{"name": one} for one in sorted(features)]}
    )


def _version(release: str) -> Problem:
    if release == RELEASE or release.startswith((f"{RELEASE}.", f"{RELEASE}-")):
        return condition("SupportedVersion", True, "SupportedVersion")
    message = f"the definitions are of {release or 'no release'}: install those of {RELEASE}, or expect differences"
    return condition("SupportedVersion", False, "UnsupportedVersion", message)

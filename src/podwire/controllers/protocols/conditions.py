"""The condition of a Service that uses a protocol which the kernel lacks. Pure.

Kubernetes has no condition for this; the type has a prefix of its own (k8s.io/api `core/v1` ServiceStatus.conditions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.conditions import with_condition
from podwire.kube.meta import Condition

if TYPE_CHECKING:
    from datetime import datetime

    from podwire.kube.services import Service

TYPE = "podwire.dev/ProtocolsSupported"
REASON = "SCTPNotSupported"


def uses_sctp(service: Service) -> bool:
    """Return whether a port of the Service is of SCTP; one of type ExternalName is a name only."""
    return service.spec.type != "ExternalName" and any(port.protocol == "SCTP" for port in service.spec.ports)


def has_condition(service: Service) -> bool:
    """Return whether the Service has the condition."""
    return any(condition.type == TYPE for condition in service.status.conditions)


def message(service: Service) -> str:
    """Return what is wrong, by port, and the remedy."""
    ports = ", ".join(str(port.port) for port in service.spec.ports if port.protocol == "SCTP")
    return (
        f"spec.ports {ports}: the kernel of the nodes has no SCTP, so no program can listen on it; load its module "
        "(modprobe sctp) or use TCP or UDP"
    )


def status(service: Service, now: datetime, *, supported: bool) -> dict[str, Any]:
    """Return the fields of the status to write, none where the condition is as it must be."""
    conditions = service.status.conditions
    if supported or not uses_sctp(service):
        desired = tuple(condition for condition in conditions if condition.type != TYPE)
    else:
        desired = with_condition(
            conditions, Condition(type=TYPE, status="False", reason=REASON, message=message(service)), now
        )
    if desired == conditions:
        return {}
    return {"conditions": [msgspec.to_builtins(condition) for condition in desired] or None}

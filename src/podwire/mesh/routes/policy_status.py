"""The status of a BackendPolicy: whether it is in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.mesh.kinds.backend_policy import BackendPolicy
from podwire.mesh.routes.policies import PolicyProblem

ACCEPTED = "Accepted"


def policy_status(item: BackendPolicy, problem: PolicyProblem | None, now: datetime) -> Mapping[str, Any]:
    """Return what is to be merged into the status; conditions of other types stay."""
    if problem is None:
        desired = condition(ACCEPTED, True, ACCEPTED)
    else:
        desired = condition(ACCEPTED, False, problem.reason, problem.message)
    conditions = merged(item.status.conditions, [desired], item.metadata.generation, now, (ACCEPTED,))
    return changed(item.status, {"conditions": conditions})

"""The status of a BackendTLSPolicy: one entry for each Gateway whose routes forward to a target. Pure.

Source: gateway-api v1.6.3 `backendtlspolicy_types.go`, `policy_types.go` (PolicyStatus).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.backend_tls import PolicyState
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.entries_of_status import with_entries
from podwire.edge.gateway.kinds.backend_tls_policy import BackendTLSPolicy
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.kube.gateway_api import CONTROLLER_NAME, GROUP
from podwire.kube.meta import NamespacedName

LONGEST = 16
"""Entries that a status can have: further ancestors are left out (GEP-713)."""


def policy_status(
    item: BackendTLSPolicy, gateways: Iterable[NamespacedName], state: PolicyState, now: datetime
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a policy; entries of other controllers stay."""
    ancestors = item.status.ancestors
    ours = {_name(one.ancestor_ref): one.conditions for one in ancestors if one.controller_name == CONTROLLER_NAME}
    generation = item.metadata.generation
    entries = {
        _name(reference): {
            "ancestorRef": msgspec.to_builtins(reference),
            "controllerName": CONTROLLER_NAME,
            "conditions": merged(ours.get(_name(reference), ()), _conditions(state), generation, now),
        }
        for reference in (_reference(one) for one in sorted(gateways))
    }
    ancestors_now = with_entries(ancestors, CONTROLLER_NAME, lambda one: _name(one.ancestor_ref), entries)
    return changed(item.status, {"ancestors": ancestors_now[:LONGEST]})


def _conditions(state: PolicyState) -> Iterator[Problem]:
    for type_, reason in (("Accepted", state.accepted), ("ResolvedRefs", state.resolved)):
        good = reason == type_
        yield condition(type_, good, reason, "" if good else state.message)


def _reference(gateway: NamespacedName) -> ParentReference:
    return ParentReference(gateway.name, GROUP, "Gateway", gateway.namespace)


def _name(reference: ParentReference) -> bytes:
    return msgspec.json.encode(reference)

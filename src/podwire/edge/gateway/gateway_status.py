"""The status of a Gateway. Pure. Source: gateway-api v1.6.3 `gateway_types.go`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.gateway_problems import unusable_addresses
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.references import ALL
from podwire.edge.gateway.listener_status import ServedListener, entries

_DEFAULT = "DefaultGateway"
"""Of a Gateway that routes use without a reference (GEP-3793)."""
TYPES = frozenset({"Accepted", "Programmed", "ResolvedRefs", "InsecureFrontendValidationMode", _DEFAULT})


def gateway_status(
    item: Gateway,
    problems: Iterable[Problem],
    listeners: Iterable[ServedListener],
    addresses: tuple[str, ...],
    sets: int,
    now: datetime,
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a Gateway; empty for no change.

    `problems` are those of its own spec, `listeners` also those of its ListenerSets, of which `sets` are accepted,
    `addresses` those that it got.
    """
    listeners, own = tuple(listeners), {one.type: one for one in problems}
    accepted = own.pop("Accepted", None) or _accepted(listeners)
    programmed = own.pop("Programmed", None) or _programmed(item, accepted, listeners, addresses)
    own = {"ResolvedRefs": condition("ResolvedRefs", True, "ResolvedRefs")} | own
    desired = (accepted, programmed, *own.values(), *_default(item))
    generation = item.metadata.generation
    mine = [one for one in listeners if one.state.parent.kind == "Gateway"]
    return changed(
        item.status,
        {
            "addresses": [{"type": _type(one), "value": one} for one in addresses],
            "conditions": merged(item.status.conditions, desired, generation, now, TYPES),
            "listeners": entries(mine, item.status.listeners, generation, now),
            "attachedListenerSets": sets or None,
        },
    )


def _default(item: Gateway) -> Iterator[Problem]:
    if item.spec.is_default:
        message = f"it has defaultScope {ALL}: routes with useDefaultGateways {ALL} are attached"
        yield condition(_DEFAULT, True, _DEFAULT, message)


def _accepted(listeners: tuple[ServedListener, ...]) -> Problem:
    """Return whether one listener is valid; the reason is about the Gateway's own, ListenerSets have their own."""
    invalid = [one.state.name for one in listeners if not one.state.is_accepted and one.state.parent.kind == "Gateway"]
    if not invalid:
        return condition("Accepted", True, "Accepted")
    message = f"not valid: listener {', '.join(invalid)}: see its conditions"
    return condition("Accepted", any(one.state.is_accepted for one in listeners), "ListenersNotValid", message)


def _programmed(
    item: Gateway, accepted: Problem, listeners: tuple[ServedListener, ...], addresses: tuple[str, ...]
) -> Problem:
    if accepted.status != "True":
        return condition("Programmed", False, "Invalid", "it is not accepted")
    if unusable := unusable_addresses(item, addresses):
        return unusable[0]
    if not addresses:
        return condition("Programmed", False, "AddressNotAssigned", "its Service has no address yet")
    valid = [one for one in listeners if one.is_valid]
    if not valid:
        refused = next((one.refusal for one in listeners if one.refusal), "")
        return condition("Programmed", False, "Invalid", refused or "no listener can be served: see their conditions")
    pending = next((one.pending for one in valid if one.pending), "")
    return condition("Programmed", not pending, "Pending" if pending else "Programmed", pending)


def _type(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "Hostname"
    return "IPAddress"

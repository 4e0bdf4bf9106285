"""The status of classes, Gateways and HTTPRoutes. Pure. Source: gateway-api v1.6.3 `apis/v1`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.kube.conditions import with_condition
from podwire.kube.gateway_api import CONTROLLER_NAME, GROUP
from podwire.kube.meta import Condition

FEATURES = (
    "Gateway",
    "GatewayPort8080",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
)
"""Names of `pkg/features`, sorted."""


def class_status(item: GatewayClass, problem: str, now: datetime) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a class of this controller; empty for no change."""
    generation = item.metadata.generation
    accepted = _condition(
        "Accepted", not problem, "Accepted" if not problem else "InvalidParameters", problem, generation
    )
    wanted = {
        "conditions": _merged(item.status.conditions, (accepted,), now),
        "supportedFeatures": [{"name": name} for name in FEATURES],
    }
    return _changed(item.status, wanted)


def gateway_status(
    item: Gateway,
    listeners: Iterable[tuple[ListenerState, int, str]],
    addresses: tuple[str, ...],
    now: datetime,
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a Gateway.

    `listeners`: of each its state, its count of routes, and why it is
    not programmed.
    """
    generation = item.metadata.generation
    known = {one.name: one for one in item.status.listeners}
    entries, programmed, accepted = [], [], []
    for state, routes, pending in listeners:
        before = known[state.name].conditions if state.name in known else ()
        entries.append(_listener(state, routes, pending, before, generation, now))
        programmed.append(pending if state.is_usable else "Invalid")
        accepted.append(state.is_accepted)
    waiting = next((one for one in programmed if one and one != "Invalid"), "")
    served = any(not one for one in programmed)
    if not any(accepted):
        conditions = [_condition("Accepted", False, "ListenersNotValid", "no listener is valid", generation)]
    else:
        reason = "Accepted" if all(accepted) else "ListenersNotValid"
        conditions = [_condition("Accepted", True, reason, "", generation)]
    if not addresses:
        programmed_one = _condition(
            "Programmed", False, "AddressNotAssigned", "its Service has no address yet", generation
        )
    elif not served or waiting:
        programmed_one = _condition("Programmed", False, "Pending" if waiting else "Invalid", waiting, generation)
    else:
        programmed_one = _condition("Programmed", True, "Programmed", "", generation)
    wanted = {
        "addresses": [
            {"type": "IPAddress" if ":" in one or one.replace(".", "").isdigit() else "Hostname", "value": one}
            for one in addresses
        ],
        "conditions": _merged(item.status.conditions, (*conditions, programmed_one), now),
        "listeners": entries,
    }
    return _changed(item.status, wanted)


def route_status(
    item: HTTPRoute | GRPCRoute, found: tuple[Attachment, ...], translated: Translated, refusal: str, now: datetime
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a route; entries of other controllers stay."""
    ours = {
        msgspec.json.encode(one.parent_ref): one.conditions
        for one in item.status.parents
        if one.controller_name == CONTROLLER_NAME
    }
    others = [msgspec.to_builtins(one) for one in item.status.parents if one.controller_name != CONTROLLER_NAME]
    generation = item.metadata.generation
    entries = []
    for one in found:
        reason, message = one.reason, one.message
        if reason == "Accepted" and (translated.unsupported or refusal):
            reason = translated.unsupported_reason or "UnsupportedValue"
            message = translated.unsupported or refusal
        conditions = [_condition("Accepted", reason == "Accepted", reason, message, generation)]
        bad = translated.unresolved[0] if translated.unresolved else None
        messages = "; ".join(each.message for each in translated.unresolved)
        conditions.append(
            _condition("ResolvedRefs", bad is None, bad.reason if bad else "ResolvedRefs", messages, generation)
        )
        before = list(ours.get(msgspec.json.encode(one.reference), ()))
        if reason == "Accepted" and translated.dropped:
            conditions.append(_condition("PartiallyInvalid", True, "UnsupportedValue", translated.dropped, generation))
        else:  # it must not be there
            before = [each for each in before if each.type != "PartiallyInvalid"]
        entries.append(
            {
                "parentRef": msgspec.to_builtins(one.reference),
                "controllerName": CONTROLLER_NAME,
                "conditions": _merged(before, conditions, now),
            }
        )
    return _changed(item.status, {"parents": [*others, *entries]})


def _listener(
    state: ListenerState, routes: int, pending: str, before: Iterable[Condition], generation: int, now: datetime
) -> dict[str, Any]:
    problems = {one.type: one for one in state.problems}
    conditions = []
    for type_, good in (("Accepted", True), ("ResolvedRefs", True), ("Conflicted", False)):
        problem = problems.get(type_)
        if problem is not None:
            conditions.append(_raw(type_, problem.status, problem.reason, problem.message, generation))
        else:
            conditions.append(_condition(type_, good, type_ if good else "NoConflicts", "", generation))
    if not state.is_usable or (problem := problems.get("ResolvedRefs")) is not None:
        conditions.append(_condition("Programmed", False, "Invalid", "see its other conditions", generation))
    else:
        reason = "Pending" if pending else "Programmed"
        conditions.append(_condition("Programmed", not pending, reason, pending, generation))
    return {
        "name": state.name,
        "supportedKinds": [{"group": GROUP, "kind": one} for one in state.kinds],
        "attachedRoutes": routes,
        "conditions": _merged(before, conditions, now),
    }


def _condition(type_: str, good: bool, reason: str, message: str, generation: int) -> Condition:
    return _raw(type_, "True" if good else "False", reason, message, generation)


def _raw(type_: str, status: str, reason: str, message: str, generation: int) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message[:32768], observed_generation=generation)


def _merged(before: Iterable[Condition], wanted: Iterable[Condition], now: datetime) -> list[Any]:
    found = tuple(before)
    for one in wanted:
        found = with_condition(found, one, now)
    return [
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "lastTransitionTime": one.last_transition_time,
            "observedGeneration": one.observed_generation,
        }
        for one in found
    ]


def _changed(status: Any, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the wanted fields, or nothing where the status has them."""
    merged = msgspec.convert({**msgspec.to_builtins(status), **wanted}, type(status))
    return {} if merged == status else wanted

"""The status of policies: whether they can be read, and whether the requests are that their rules are about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.kube.selectors import matches
from podwire.kube.services import Service
from podwire.mesh.authorization.model import EVERYWHERE, Action, Policy, Rule
from podwire.mesh.authorization.reading import Read, ReadTokens, problems_text
from podwire.mesh.authorization.selection import speaks_http
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import RequestAuthentication
from podwire.mesh.kinds.transport_policy import TransportPolicy

ACCEPTED, REQUESTS_READ = "Accepted", "RequestsRead"
MOST_NAMED = 8


def authorization_status(
    item: AuthorizationPolicy, read: Read, services: Iterable[Service], now: datetime, refusal: str = ""
) -> Mapping[str, Any]:
    """Return what is to be merged into the status; conditions of other types stay.

    `refusal`: why an Envoy refuses the policy; empty where none does.
    """
    accepted = _accepted(read.problems)
    if refusal and not read.problems:
        accepted = condition(ACCEPTED, False, "RefusedByEnvoy", refusal)
    return _status(item, [accepted, _requests_read(read.policy, services)], now)


def authentication_status(item: RequestAuthentication, read: ReadTokens, now: datetime) -> Mapping[str, Any]:
    """Return what is to be merged into the status; conditions of other types stay."""
    return _status(item, [_accepted(read.problems)], now)


def transport_status(item: TransportPolicy, policies: Transport, now: datetime) -> Mapping[str, Any]:
    """Return what is to be merged into the status; conditions of other types stay."""
    rival = policies.rival_of(item)
    if rival is None:
        return _status(item, [condition(ACCEPTED, True, ACCEPTED)], now)
    message = (
        f"TransportPolicy {rival.key} is older and has the same selector, so it alone counts: put both modes into one "
        "policy, or select other pods"
    )
    return _status(item, [condition(ACCEPTED, False, "Conflicted", message)], now)


def _status(
    item: AuthorizationPolicy | RequestAuthentication | TransportPolicy, desired: list[Problem], now: datetime
) -> Mapping[str, Any]:
    conditions = merged(item.status.conditions, desired, item.metadata.generation, now, (ACCEPTED, REQUESTS_READ))
    return changed(item.status, {"conditions": conditions})


def _accepted(problems: Iterable[str]) -> Problem:
    problems = tuple(problems)
    return condition(ACCEPTED, not problems, "Invalid" if problems else ACCEPTED, problems_text(problems))


def _requests_read(policy: Policy, services: Iterable[Service]) -> Problem:
    """Whether all rules about requests are for ports that speak HTTP."""
    rules = [rule for rule in policy.rules if rule.reads_requests]
    if not rules:
        return condition(REQUESTS_READ, True, "NotNeeded")
    own = [one for one in services if _may_serve(policy, one)]
    unread = sorted({text for rule in rules for text in _unread(rule, own)})
    if not unread:
        return condition(REQUESTS_READ, True, "Read")
    effect = "deny whatever is sent there" if policy.action is Action.DENY else "match nothing there"
    named = ", ".join(unread[:MOST_NAMED])
    message = (
        f"rules about requests {effect}: no Service says that these ports speak HTTP: {named}. Set appProtocol: http "
        "on the Service's port, or name other ports in the rules' to[].ports"
    )
    return condition(REQUESTS_READ, False, "NotHTTP", message)


def _may_serve(policy: Policy, service: Service) -> bool:
    """Whether a Service's pods are selected, as far as its selector names the labels that they have."""
    own = policy.key.namespace in (service.metadata.namespace, EVERYWHERE)
    return own and bool(service.spec.selector) and matches(policy.selector, service.spec.selector)


def _unread(rule: Rule, services: Iterable[Service]) -> Iterator[str]:
    desired = {port for one in rule.operations for port in one.ports}
    http = set()
    for service in services:
        for port in service.spec.ports:
            target = port.target_port or port.port
            if speaks_http(port):
                http.add(target)
            elif not desired and port.protocol == "TCP":
                yield f"{target} of Service {service.key}"
    for number in desired - http:
        yield str(number)

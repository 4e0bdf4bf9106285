"""Checks of the Gateway API: what keeps a Gateway or a route from being served. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.insight.doctor import access_checks, rules
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.gateway_facts import GatewayFact, GatewayFacts
from podwire.insight.doctor.report import Finding
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import Condition

RELEASE = "v1.6.3"
"""Which podwire is made for."""
RENEW = "put a new certificate into it: Envoys take it at once"


def gateways(cluster: ClusterFacts) -> Iterator[Finding]:
    """All of them; nothing where the cluster has neither the kinds nor the controller."""
    facts = cluster.gateways
    if facts is None or not (facts.releases or facts.is_installed):
        return
    yield from _definitions(facts)
    if not facts.is_installed:
        return
    yield from _classes(facts)
    for envoy in facts.envoys:
        if envoy.trouble:
            yield rules.ENVOY_TROUBLE.found(f"pod {envoy.key}", problem=envoy.trouble, pod=envoy.key.name)
    for one in facts.gateways:
        yield from _gateway(one)
    yield from _routes(facts)
    for place, expiry in facts.certificates:
        for found in access_checks.ending(place, (expiry,), cluster.time, RENEW):
            yield Finding(rules.GATEWAY_PENDING.check, found.level, found.object, found.finding, found.remedy)


def _definitions(facts: GatewayFacts) -> Iterator[Finding]:
    where = "the Gateway API"
    if not facts.releases:
        yield rules.NO_DEFINITIONS.found(where)
    elif len(facts.releases) > 1:
        mixed = "; ".join(f"{release}: {len(names)}" for release, names in sorted(facts.releases.items()))
        yield rules.MIXED_DEFINITIONS.found(where, releases=mixed)
    elif not next(iter(facts.releases)).startswith(f"{RELEASE} "):
        yield rules.OTHER_DEFINITIONS.found(where, release=next(iter(facts.releases)), own=RELEASE)


def _classes(facts: GatewayFacts) -> Iterator[Finding]:
    if facts.releases and not facts.classes:
        yield rules.NO_CLASS.found("the Gateway API", controller=CONTROLLER_NAME)
    for one in facts.classes:
        if (problem := _lacking(one.conditions, "Accepted")) is not None:
            yield rules.CLASS_REFUSED.found(f"GatewayClass {one.name}", problem=problem)


def _gateway(one: GatewayFact) -> Iterator[Finding]:
    place = f"Gateway {one.key}"
    if (problem := _lacking(one.conditions, "Accepted")) is not None:
        yield rules.GATEWAY_REFUSED.found(place, problem=problem)
        return
    if (problem := _lacking(one.conditions, "Programmed")) is not None:
        yield rules.GATEWAY_PENDING.found(place, problem=problem)
    for name, conditions in one.listeners:
        for kind in ("Accepted", "ResolvedRefs"):
            if (problem := _lacking(conditions, kind)) is not None:
                yield rules.LISTENER_REFUSED.found(place, listener=name, problem=problem)
                break


def _routes(facts: GatewayFacts) -> Iterator[Finding]:
    for route in facts.routes:
        for parent in route.parents:
            for kind in ("Accepted", "ResolvedRefs"):
                if (problem := _lacking(parent.conditions, kind)) is not None:
                    values = {"parent": parent.parent_ref.name, "problem": problem}
                    yield rules.ROUTE_REFUSED.found(f"{route.kind} {route.key}", **values)
                    break


def _lacking(conditions: Iterable[Condition], kind: str) -> str | None:
    """Why a condition is not True; None where it is."""
    found = next((one for one in conditions if one.type == kind), None)
    if found is None:
        return "its controller has not written its status"
    if found.status == "True":
        return None
    return ": ".join(filter(None, (found.reason, found.message)))

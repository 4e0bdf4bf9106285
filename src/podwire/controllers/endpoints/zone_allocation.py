"""Endpoints allocated to zones in proportion to their CPUs, for `topology-mode: Auto`. Pure.

Source: kubernetes `staging/src/k8s.io/endpointslice/topologycache` (topologycache.go, utils.go, sliceinfo.go). Where it
follows the order of Go's maps, zones are taken by name here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.discovery import EndpointHints, ForZone
from podwire.kube.quantities import number

if TYPE_CHECKING:
    from podwire.kube.core import Node
    from podwire.kube.discovery import Endpoint

OVERLOAD = 0.2
"""How much more than its share the endpoints of a zone may get, at most."""

NO_ZONE = "One or more endpoints do not have a zone specified"
NO_NODE_INFO = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
FEW_ENDPOINTS = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"

_CONTROL_PLANE = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})

ByZone = Mapping[str, int]


class Draft(msgspec.Struct, frozen=True):
    """The endpoints of one slice; `unchanged` where the slice exists and has exactly these, hints included."""

    endpoints: tuple[Endpoint, ...]
    unchanged: bool


class Allocation(msgspec.Struct, frozen=True):
    """The endpoints of each draft with their hints, and how many are for which zone; or why none has hints."""

    endpoints: tuple[tuple[Endpoint, ...], ...]
    by_zone: ByZone = {}
    problem: str = ""


class _Share(msgspec.Struct, frozen=True):
    """How many endpoints a zone gets."""

    desired: float
    most: int


def cpu_shares(nodes: Iterable[Node]) -> dict[str, float]:
    """Return the share of each zone in the CPUs of all ready nodes; nothing where there are fewer than two zones.

    One ready node without a zone or without CPUs makes the result empty.
    """
    by_zone: dict[str, float] = {}
    for node in nodes:
        if not node.ready or not _CONTROL_PLANE.isdisjoint(node.metadata.labels):
            continue
        cpus = float(number(node.status.allocatable.get("cpu", "0")))
        if not node.zone or not cpus:
            return {}
        by_zone[node.zone] = by_zone.get(node.zone, 0.0) + cpus
    total = sum(by_zone.values())
    return {zone: cpus / total for zone, cpus in sorted(by_zone.items())} if len(by_zone) > 1 else {}


def allocate(drafts: Sequence[Draft], cpus: Mapping[str, float]) -> Allocation:
    """Return the drafts with a zone for each ready endpoint: its own, unless that has too many for its CPUs.

    A slice that does not change keeps its hints while they are within the limits.
    """
    ready = sum(endpoint.ready for draft in drafts for endpoint in draft.endpoints)
    shares, problem = _shares(ready, cpus)
    if problem:
        return without_hints(drafts, problem)
    by_zone: dict[str, int] = {}
    results: list[list[Endpoint]] = [list(draft.endpoints) for draft in drafts]
    open_drafts: list[list[Endpoint]] = []
    for draft, result in zip(drafts, results, strict=True):
        kept = _hinted(draft.endpoints, by_zone, shares) if draft.unchanged else None
        if kept is None:
            open_drafts.append(result)
        for zone, count in (kept or {}).items():
            by_zone[zone] = by_zone.get(zone, 0) + count
    for result in open_drafts:
        if not _own_zones(result, by_zone):
            return without_hints(drafts, NO_ZONE)
    _redistribute(open_drafts, by_zone, *_surplus(shares, by_zone))
    return Allocation(tuple(map(tuple, results)), by_zone)


def without_hints(drafts: Sequence[Draft], problem: str = "") -> Allocation:
    """Return the drafts without any hints."""
    stripped = (tuple(_for_zone(endpoint, "") for endpoint in draft.endpoints) for draft in drafts)
    return Allocation(tuple(stripped), problem=problem)


def overloaded(by_zone: ByZone, cpus: Mapping[str, float]) -> bool:
    """Return whether an allocation is too small for some zone as its CPUs are now."""
    total = sum(by_zone.values())
    return bool(by_zone) and (not cpus or any(by_zone.get(zone, 0) < _least(total * cpus[zone]) for zone in cpus))


def _shares(endpoints: int, cpus: Mapping[str, float]) -> tuple[dict[str, _Share], str]:
    """Return how many endpoints each zone gets, or why they cannot be allocated."""
    if not cpus:
        return {}, NO_NODE_INFO
    counts = f" ({endpoints} endpoints, {len(cpus)} zones)"
    if len(cpus) > endpoints:
        return {}, FEW_ENDPOINTS + counts
    desired = {zone: share * endpoints for zone, share in cpus.items()}
    least = {zone: _least(amount) for zone, amount in desired.items()}
    spare = endpoints - sum(least.values())
    if spare < 0:
        return {}, OVERLOADED + counts
    return {zone: _Share(max(desired[zone], least[zone]), least[zone] + spare) for zone in cpus}, ""


def _least(desired: float) -> int:
    return math.ceil(desired * (1 / (1 + OVERLOAD)))


def _hinted(endpoints: Iterable[Endpoint], by_zone: ByZone, shares: Mapping[str, _Share]) -> dict[str, int] | None:
    """Return how many endpoints of a slice have hints for which zone; None where they are incomplete or too many."""
    found: dict[str, int] = {}
    for endpoint in endpoints:
        if endpoint.ready:
            zones = [zone.name for zone in endpoint.hints.for_zones]
            if not zones or endpoint.hints.for_nodes or not shares.keys() >= set(zones):
                return None
            for zone in zones:
                found[zone] = found.get(zone, 0) + 1
    exceeded = any(by_zone.get(zone, 0) + count > shares[zone].most for zone, count in found.items())
    return None if exceeded else found


def _own_zones(endpoints: list[Endpoint], by_zone: dict[str, int]) -> bool:
    """Give each ready endpoint a hint for its own zone, in place; return whether all have one."""
    for index, endpoint in enumerate(endpoints):
        zone = endpoint.zone if endpoint.ready else ""
        if endpoint.ready and not zone:
            return False
        endpoints[index] = _for_zone(endpoint, zone)
        if zone:
            by_zone[zone] = by_zone.get(zone, 0) + 1
    return True


def _surplus(shares: Mapping[str, _Share], by_zone: ByZone) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many endpoints which zones give, and which receive, until each is near its share."""
    differences = {zone: by_zone.get(zone, 0) - share.desired for zone, share in shares.items()}
    giving = {zone: amount for zone, amount in differences.items() if amount > 0}
    receiving = {zone: -amount for zone, amount in differences.items() if amount < 0}
    given: dict[str, int] = {}
    received: dict[str, int] = {}
    while giving and receiving:
        giver, receiver = max(giving, key=giving.__getitem__), max(receiving, key=receiving.__getitem__)
        much, little = max(giving[giver], receiving[receiver]), min(giving[giver], receiving[receiver])
        if much < 1.0 or little < 0.5:
            break
        giving[giver] -= 1
        receiving[receiver] -= 1
        given[giver] = given.get(giver, 0) + 1
        received[receiver] = received.get(receiver, 0) + 1
    return given, received


def _redistribute(
    drafts: Iterable[list[Endpoint]], by_zone: dict[str, int], given: dict[str, int], received: dict[str, int]
) -> None:
    """Move hints of the first ready endpoints of giving zones to receiving ones, in place."""
    for endpoints in drafts:
        for index, endpoint in enumerate(endpoints):
            receiver = next((zone for zone, left in received.items() if left), None)
            if receiver is None:
                return
            if endpoint.ready and given.get(endpoint.zone, 0):
                endpoints[index] = _for_zone(endpoint, receiver)
                given[endpoint.zone] -= 1
                received[receiver] -= 1
                by_zone[endpoint.zone] -= 1
                by_zone[receiver] = by_zone.get(receiver, 0) + 1


def _for_zone(endpoint: Endpoint, zone: str) -> Endpoint:
    expected = EndpointHints(for_zones=(ForZone(name=zone),) if zone else ())
    return endpoint if endpoint.hints == expected else msgspec.structs.replace(endpoint, hints=expected)

"""Packing: what exists changes as little as possible, and the outcome covers exactly what is wanted."""

from collections.abc import Sequence

import msgspec

from podwire.controllers.endpoints import slice_packing
from podwire.controllers.endpoints.slice_packing import Content, Plan
from podwire.controllers.endpoints.zone_allocation import Draft
from podwire.kube.discovery import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForZone,
    ObjectReference,
)
from podwire.kube.meta import ObjectMeta
from tests.controllers.build import service

HTTP = (EndpointPort(name="http", port=80),)
OTHER = (EndpointPort(name="http", port=81),)
LABELS = slice_packing.labels(service())


def endpoint(number: int) -> Endpoint:
    uid = f"uid-{number}"
    return Endpoint(addresses=(f"10.244.0.{number}",), target_ref=ObjectReference(kind="Pod", name=uid, uid=uid))


def some(*numbers: int) -> tuple[Endpoint, ...]:
    return tuple(endpoint(number) for number in numbers)


def existing(name: str, endpoints: Sequence[Endpoint], ports: tuple[EndpointPort, ...] = HTTP) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, labels=LABELS), ports=ports, endpoints=tuple(endpoints))


def plan(wanted: dict[tuple[EndpointPort, ...], Sequence[Endpoint]], *have: EndpointSlice) -> Plan:
    return slice_packing.plan({"IPv4": wanted}, have, labelled)


def labelled(item: EndpointSlice) -> bool:
    return item.metadata.labels == LABELS


def test_the_first_endpoints_make_a_slice() -> None:
    assert plan({HTTP: some(1, 2)}) == Plan(create=(Content("IPv4", HTTP, some(1, 2)),))


def test_nothing_is_written_where_nothing_differs() -> None:
    assert plan({HTTP: some(2, 1)}, existing("a", some(1, 2))) == Plan()


def test_a_new_endpoint_joins_the_slice_that_changes_anyway() -> None:
    full, half = existing("full", some(1, 2)), existing("half", some(3, 4))
    assert plan({HTTP: some(1, 2, 3, 5)}, full, half) == Plan(update=((half, Content("IPv4", HTTP, some(3, 5))),))


def test_a_changed_endpoint_stays_where_it_is() -> None:
    changed = msgspec.structs.replace(endpoint(1), node_name="node-2")
    have = existing("a", some(1, 2))
    assert plan({HTTP: (changed, endpoint(2))}, have).update == ((have, Content("IPv4", HTTP, (changed, endpoint(2)))),)


def test_without_endpoints_one_empty_slice_stays() -> None:
    assert plan({}) == Plan(create=(Content("IPv4", (), ()),))
    first, second = existing("a", some(1)), existing("b", some(2))
    assert plan({}, first, second) == Plan(update=((first, Content("IPv4", (), ())),), delete=(second,))
    assert plan({}, existing("a", (), ())) == Plan()


def test_new_ports_take_over_the_old_slice_in_one_write() -> None:
    have = existing("a", some(1))
    assert plan({OTHER: some(1)}, have) == Plan(update=((have, Content("IPv4", OTHER, some(1))),))


def test_a_family_that_is_no_longer_wanted_loses_its_slices() -> None:
    have = existing("a", some(1))
    assert slice_packing.plan({}, [have], labelled) == Plan(delete=(have,))


def test_changed_labels_of_the_service_reach_its_slices() -> None:
    labels = slice_packing.labels(service(labels={"team": "x"}))
    have = existing("a", some(1))
    found = slice_packing.plan({"IPv4": {HTTP: some(1)}}, [have], lambda item: item.metadata.labels == labels)
    assert [old for old, _ in found.update] == [have]


def test_the_largest_slice_is_a_parameter() -> None:
    found = slice_packing.plan({"IPv4": {HTTP: some(1, 2, 3)}}, [], labelled, largest=2)
    assert [content.endpoints for content in found.create] == [some(1, 2), some(3)]


def hinted(zone: str, *numbers: int) -> tuple[Endpoint, ...]:
    return tuple(
        msgspec.structs.replace(e, hints=EndpointHints(for_zones=(ForZone(name=zone),))) for e in some(*numbers)
    )


def test_endpoints_keep_their_hints_unless_those_are_changed() -> None:
    """The drafts of unchanged slices have the hints that are there; what comes back is written."""
    old, other = existing("a", hinted("north", 1, 2)), existing("b", hinted("south", 3))
    seen: list[Draft] = []

    def hints(_: str, drafts: Sequence[Draft]) -> list[tuple[Endpoint, ...]]:
        seen.extend(drafts)
        return [draft.endpoints if draft.unchanged else hinted("west", 9) for draft in drafts]

    found = slice_packing.plan({"IPv4": {HTTP: some(1, 2, 4)}}, [old, other], labelled, hints=hints)
    assert seen == [Draft(hinted("north", 1, 2), unchanged=True), Draft(some(4), unchanged=False)]
    assert found == Plan(update=((other, Content("IPv4", HTTP, hinted("west", 9))),))
    seen.clear()
    unready = msgspec.structs.replace(endpoint(2), conditions=EndpointConditions(ready=False))
    slice_packing.plan({"IPv4": {HTTP: [endpoint(1), unready]}}, [old], labelled, hints=hints)
    assert seen == [Draft((*hinted("north", 1), unready), unchanged=False)]

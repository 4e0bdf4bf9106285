"""Packing: what exists changes as little as possible, and the outcome covers exactly what is wanted."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from podwire.controllers.endpoints import slice_packing
from podwire.controllers.endpoints.slice_packing import LARGEST_SLICE, Content, Plan
from podwire.kube.discovery import HEADLESS_LABEL, Endpoint, EndpointPort, EndpointSlice, ObjectReference
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
    return slice_packing.plan({"IPv4": wanted}, have, LABELS)


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
    assert slice_packing.plan({}, [have], LABELS) == Plan(delete=(have,))


def test_changed_labels_of_the_service_reach_its_slices() -> None:
    labels = slice_packing.labels(service(labels={"team": "x"}))
    have = existing("a", some(1))
    assert [old for old, _ in slice_packing.plan({"IPv4": {HTTP: some(1)}}, [have], labels).update] == [have]


def test_headless_services_mark_their_slices_and_users_cannot_fake_the_marks() -> None:
    forged = {HEADLESS_LABEL: "", slice_packing.MANAGED_BY_LABEL: "me"}
    assert slice_packing.labels(service(labels=forged)) == LABELS
    assert HEADLESS_LABEL in slice_packing.labels(service(clusterIP="None"))


def test_the_body_writes_protocols_out_for_clients_that_do_not_default() -> None:
    body = slice_packing.body(service(), Content("IPv4", HTTP, some(1)))
    assert body["ports"] == [{"name": "http", "protocol": "TCP", "port": 80}]
    assert body["metadata"]["ownerReferences"][0]["kind"] == "Service"


@pytest.mark.parametrize("seed", range(20))
def test_any_history_ends_with_each_endpoint_once_in_slices_that_are_small_enough(seed: int) -> None:
    dice = random.Random(seed)
    have: list[EndpointSlice] = []
    for step in range(8):
        numbers = dice.sample(range(400), dice.choice([0, 1, 50, 99, 100, 101, 350]))
        wanted: dict[tuple[EndpointPort, ...], Sequence[Endpoint]] = {HTTP: some(*numbers)} if numbers else {}
        have = applied(have, plan(wanted, *have), step)
        assert sorted(e.addresses for s in have for e in s.endpoints) == sorted(e.addresses for e in some(*numbers))
        assert all(len(s.endpoints) <= LARGEST_SLICE for s in have)
        assert plan(wanted, *have) == Plan()


def applied(have: list[EndpointSlice], todo: Plan, step: int) -> list[EndpointSlice]:
    by_name = {s.metadata.name: s for s in have}
    for number, content in enumerate(todo.create):
        name = f"s{step}-{number}"
        by_name[name] = existing(name, content.endpoints, content.ports)
    for old, content in todo.update:
        by_name[old.metadata.name] = existing(old.metadata.name, content.endpoints, content.ports)
    for gone in todo.delete:
        del by_name[gone.metadata.name]
    return list(by_name.values())

"""An explanation against rows that a node holds: each difference is named, numbers of pools are none."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from podwire.insight.service.kernel import differences
from podwire.insight.service.objects import ServiceObjects
from podwire.kube.services import ServicePort
from podwire.services import model
from podwire.services.derivation import Owner, rows
from podwire.services.node_view import NodeView
from podwire.services.pool_row import PoolRow
from podwire.services.pools import Pools
from podwire.services.rows import FrontendRow, Row, StickyRow
from podwire.services.word import LARGEST_POOL
from tests.insight.service.scene import endpoint, scene, service

NODE = NodeView("node-1", ("10.96.0.0/16",), addresses=("172.18.0.2",))


class View:
    """The view of a node that knows one Service only."""

    def __init__(self, objects: ServiceObjects) -> None:
        self.node = NODE
        self._objects = objects

    def entries(self, _owner: Owner) -> Iterator[model.Entry]:
        return model.entries(self._objects.service, self._objects.slices, NODE)


def held(objects: ServiceObjects) -> list[Row]:
    """The rows of a node whose first pool numbers are another Service's."""
    pools = Pools[Owner](LARGEST_POOL)
    other = scene(service("other", cluster_ip="10.96.0.99"))
    of_other = list(rows(other.service.key, View(other), pools))
    return [*of_other, *rows(objects.service.key, View(objects), pools)]


KINDS: list[dict[str, Any]] = [
    {},
    {"session_affinity": "ClientIP"},
    {"type": "LoadBalancer", "balanced": "172.18.254.1", "external_traffic_policy": "Local"},
    {"type": "LoadBalancer", "balanced": "172.18.254.1", "load_balancer_source_ranges": ("192.0.2.0/24",)},
    {"internal_traffic_policy": "Local"},
]


@pytest.mark.parametrize("spec", KINDS)
def test_equal_rows_differ_in_nothing_whatever_their_numbers(spec: dict[str, Any]) -> None:
    objects = scene(service(**spec))
    assert list(differences(objects, NODE, held(objects))) == []


def test_an_endpoint_that_the_kernel_lacks_or_has_too_many() -> None:
    before, after = scene(service(), endpoint(1, 1)), scene(service(), endpoint(1, 1), endpoint(2, 2))
    (first, *_) = differences(after, NODE, held(before))
    assert first == (
        "10.96.0.7 TCP 80 leads to 10.244.1.1:8080; by the objects it leads to 10.244.1.1:8080, 10.244.2.2:8080"
    )
    assert next(differences(before, NODE, held(after))).endswith("by the objects it leads to 10.244.1.1:8080")


def test_a_frontend_that_is_missing_and_one_too_many() -> None:
    objects = scene(service())
    rest = [row for row in held(objects) if not isinstance(row, FrontendRow) or row.frontend.address != "10.96.0.7"]
    assert list(differences(objects, NODE, rest)) == [
        "10.96.0.7 TCP 80 is missing; it leads to 10.244.1.1:8080, 10.244.2.2:8080"
    ]
    assert list(differences(objects, NODE, rest, frozenset({_frontend()}))) == []
    more = scene(service(ports=(*objects.service.spec.ports, ServicePort(name="more", port=81))))
    (line,) = differences(objects, NODE, held(more))
    assert line.startswith("10.96.0.7 TCP 81 refuses")
    assert line.endswith("and the Service has no such port")


def _frontend() -> model.Frontend:
    return model.Frontend("10.96.0.7", model.Protocol.TCP, 80)


def test_other_settings_are_differences() -> None:
    plain = scene(service())
    for spec in KINDS[1:]:
        changed = scene(service(**spec))
        assert list(differences(changed, NODE, held(plain)))


def test_a_slot_without_an_endpoint_is_named() -> None:
    def without(row: Row) -> Row:
        if not isinstance(row, PoolRow):
            return row
        slots = tuple(None if one is not None and one.address == "10.244.2.2" else one for one in row.slots)
        return msgspec.structs.replace(row, slots=slots)

    for spec in ({}, {"session_affinity": "ClientIP"}):
        objects = scene(service(**spec))
        kept = (
            row for row in held(objects) if not (isinstance(row, StickyRow) and row.backend.address == "10.244.2.2")
        )
        lame = list(map(without, kept))
        assert any("an empty slot" in line for line in differences(objects, NODE, lame))

"""Tables of kubernetes `endpointslice/topologycache` tests, and properties of any allocation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.controllers.endpoints import zone_allocation
from podwire.controllers.endpoints.zone_allocation import Draft, allocate, cpu_shares, overloaded
from podwire.kube.core import ZONE_LABEL, Node
from podwire.kube.discovery import Endpoint, EndpointConditions, EndpointHints, ForNode, ForZone

THREE = {"a": 0.35, "b": 0.35, "c": 0.3}


def endpoint(zone: str, hint: str = "", *, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=("10.0.0.1",),
        zone=zone,
        conditions=EndpointConditions(ready=ready),
        hints=EndpointHints(for_zones=(ForZone(name=hint),) if hint else ()),
    )


def draft(zones: str, hints: str = "", *, unchanged: bool = False) -> Draft:
    """Ready endpoints in these zones, a letter each, with hints for those."""
    hinted = hints or " " * len(zones)
    return Draft(tuple(endpoint(z, h.strip()) for z, h in zip(zones, hinted, strict=True)), unchanged)


def hints(endpoints: Iterable[Endpoint]) -> str:
    """The zones of the hints, - for none."""
    return "".join(one.hints.for_zones[0].name if one.hints.for_zones else "-" for one in endpoints)


@pytest.mark.parametrize(
    ("cpus", "drafts", "expected"),
    [
        ({"a": 0.45, "b": 0.55}, [draft("ab")], ["ab"]),
        ({"a": 0.3, "b": 0.4, "c": 0.3}, [draft("ab")], ["--"]),
        ({}, [draft("ab")], ["--"]),
        ({}, [], []),
        (THREE, [draft("ab"), draft("cca"), draft("aa"), draft("bca")], ["bb", "cca", "aa", "bca"]),
        (THREE, [draft("ab", "ab", unchanged=True), draft("c")], ["ab", "c"]),
        (THREE, [draft("abc", "abb", unchanged=True)], ["abc"]),
        (THREE, [draft("abc", "ab ", unchanged=True)], ["abc"]),
        (THREE, [draft("abc", "abx", unchanged=True)], ["abc"]),
        (THREE, [draft("aaa")], ["bca"]),
        ({"a": 0.5, "b": 0.5}, [draft("ab"), Draft((endpoint(""),), unchanged=False)], ["--", "-"]),
        ({"a": 0.5, "b": 0.5}, [draft("aabc")], ["aabc"]),
    ],
)
def test_hints_of_slices(cpus: dict[str, float], drafts: Sequence[Draft], expected: list[str]) -> None:
    assert [hints(endpoints) for endpoints in allocate(drafts, cpus).endpoints] == expected


@pytest.mark.parametrize(
    ("cpus", "drafts", "problem"),
    [
        ({}, [draft("ab")], zone_allocation.NO_NODE_INFO),
        ({"a": 0.3, "b": 0.4, "c": 0.3}, [draft("ab")], f"{zone_allocation.FEW_ENDPOINTS} (2 endpoints, 3 zones)"),
        ({"a": 0.2, "b": 0.2, "c": 0.6}, [draft("abc")], f"{zone_allocation.OVERLOADED} (3 endpoints, 3 zones)"),
        ({"a": 0.5, "b": 0.5}, [Draft((endpoint("a"), endpoint("")), unchanged=False)], zone_allocation.NO_ZONE),
    ],
)
def test_why_there_are_no_hints(cpus: dict[str, float], drafts: Sequence[Draft], problem: str) -> None:
    found = allocate([*drafts, draft("a", "b", unchanged=True)] if not cpus else drafts, cpus)
    assert found.problem == problem
    assert not found.by_zone
    assert {hint for endpoints in found.endpoints for hint in hints(endpoints)} == {"-"}


def test_endpoints_that_are_not_ready_count_for_nothing() -> None:
    unready = (endpoint("b", "b", ready=False), endpoint("", ready=False))
    found = allocate([Draft((*draft("ab").endpoints, *unready), unchanged=False)], {"a": 0.45, "b": 0.55})
    assert hints(found.endpoints[0]) == "ab--"
    assert found.by_zone == {"a": 1, "b": 1}


def test_hints_for_nodes_are_replaced() -> None:
    one, other = draft("ab", "ab").endpoints
    by_node = msgspec.structs.replace(one.hints, for_nodes=(ForNode(name="node-1"),))
    old = Draft((msgspec.structs.replace(one, hints=by_node), other), unchanged=True)
    assert allocate([old], {"a": 0.5, "b": 0.5}).endpoints == ((one, other),)


@pytest.mark.parametrize(
    ("hosts", "cpus", "expected"),
    [
        ("a" * 16, (5.1, 5.1, 5.8), {"a": 6, "b": 5, "c": 5}),
        ("a" * 16, (5.0, 5.6, 5.4), {"a": 5, "b": 6, "c": 5}),
        ("b" * 8 + "c" * 8, (5.0, 5.6, 5.4), {"a": 5, "b": 6, "c": 5}),
    ],
)
def test_the_zone_with_most_gives_to_the_one_with_fewest(
    hosts: str, cpus: tuple[float, ...], expected: dict[str, int]
) -> None:
    shares = dict(zip("abc", (amount / 16 for amount in cpus), strict=True))
    assert Counter(allocate([draft(hosts)], shares).by_zone) == expected


def node(zone: str, cpu: str, *, ready: str = "True", **labels: str) -> Node:
    body = {
        "metadata": {"labels": {ZONE_LABEL: zone, **{key.replace("_", "/"): text for key, text in labels.items()}}},
        "status": {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"cpu": cpu}},
    }
    return msgspec.convert(body, Node)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("a", "1"), node("a", "500m"), node("b", "1500m")], {"a": 0.5, "b": 0.5}),
        ([node("a", "1"), node("b", "3"), node("c", "4", ready="False")], {"a": 0.25, "b": 0.75}),
        ([node("a", "1"), node("b", "3"), node("", "4")], {}),
        ([node("a", "1"), node("b", "0")], {}),
        ([node("a", "1"), node("a", "1")], {}),
        (
            [node("a", "1"), node("b", "1"), node("", "9", **{"node-role.kubernetes.io_control-plane": ""})],
            {"a": 0.5, "b": 0.5},
        ),
        ([], {}),
    ],
)
def test_the_share_of_each_zone(nodes: list[Node], expected: dict[str, float]) -> None:
    assert cpu_shares(nodes) == expected


@pytest.mark.parametrize(
    ("by_zone", "cpus", "expected"),
    [
        ({"a": 5, "b": 5}, {"a": 0.5, "b": 0.5}, False),
        ({"a": 4, "b": 6}, {"a": 0.5, "b": 0.5}, True),
        ({"a": 5, "b": 5}, {"a": 0.4, "b": 0.3, "c": 0.3}, True),
        ({"a": 5, "b": 5}, {}, True),
        ({}, {}, False),
    ],
)
def test_an_allocation_that_no_longer_fits(by_zone: dict[str, int], cpus: dict[str, float], expected: bool) -> None:
    assert overloaded(by_zone, cpus) is expected


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    st.lists(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12), max_size=4),
)
def test_no_zone_is_overloaded_and_a_second_pass_changes_nothing(
    sizes: list[int], slices: list[list[tuple[int, bool]]]
) -> None:
    cpus = {"abcde"[i]: size / sum(sizes) for i, size in enumerate(sizes)}
    drafts = [
        Draft(tuple(endpoint("abcde"[zone % len(sizes)], ready=ready) for zone, ready in one), unchanged=False)
        for one in slices
    ]
    found = allocate(drafts, cpus)
    ready = sum(one.ready for item in drafts for one in item.endpoints)
    if found.problem:
        assert hints(one for endpoints in found.endpoints for one in endpoints).strip("-") == ""
        return
    assert sum(found.by_zone.values()) == ready
    for zone, share in cpus.items():
        assert found.by_zone.get(zone, 0) >= math.floor(share * ready / 1.2)
    again = allocate([Draft(endpoints, unchanged=True) for endpoints in found.endpoints], cpus)
    assert not again.problem
    assert again.endpoints == found.endpoints

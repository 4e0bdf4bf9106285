"""Which of an HTTPRoute and a GRPCRoute with one hostname is attached."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import AttachedListener, Attachment
from podwire.edge.gateway.contested_hostnames import Contender, settled
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.owners import Owner
from podwire.kube.meta import NamespacedName

GATEWAY = Owner("Gateway", "shop", "gw")


def attachment(*domains: str, listener: str = "http") -> Attachment:
    state = ListenerState(
        gateway=NamespacedName("shop", "gw"), parent=GATEWAY, name=listener, port=80, protocol="HTTP", hostname="*"
    )
    reference = msgspec.convert({"name": "gw", "sectionName": listener}, ParentReference)
    return Attachment(reference, NamespacedName("shop", "gw"), (AttachedListener(state, domains),))


def route(kind: str, name: str, created: int, *domains: str, listener: str = "http") -> Contender:
    return Contender(Owner(kind, "shop", name), f"2026-01-0{created}", (attachment(*domains, listener=listener),))


def accepted(*routes: Contender) -> set[str]:
    """Return the names of the routes that are attached, whatever the order in which they are given."""
    (found,) = {
        frozenset(one.name for one, (attached,) in settled(order).items() if attached.listeners)
        for order in itertools.permutations(routes)
    }
    return set(found)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("a.org", "a.org", False),
        ("*.a.org", "x.a.org", False),
        ("x.a.org", "*.a.org", False),
        ("*", "a.org", False),
        ("a.org", "b.org", True),
        ("*.a.org", "a.org", True),
    ],
)
def test_the_older_of_two_kinds_has_a_hostname(first: str, second: str, both: bool) -> None:
    old, new = route("GRPCRoute", "old", 1, first), route("HTTPRoute", "new", 2, second)
    assert accepted(old, new) == ({"old", "new"} if both else {"old"})


def test_of_one_age_the_first_by_name_has_it() -> None:
    assert accepted(route("HTTPRoute", "b", 1, "a.org"), route("GRPCRoute", "a", 1, "a.org")) == {"a"}


def test_routes_of_one_kind_share_hostnames() -> None:
    assert accepted(route("HTTPRoute", "a", 1, "a.org"), route("HTTPRoute", "b", 2, "a.org")) == {"a", "b"}


def test_another_listener_is_no_conflict() -> None:
    other = route("GRPCRoute", "b", 2, "a.org", listener="grpc")
    assert accepted(route("HTTPRoute", "a", 1, "a.org"), other) == {"a", "b"}


def test_a_route_that_lost_takes_no_hostname_from_a_third() -> None:
    routes = (
        route("HTTPRoute", "a", 1, "a.org"),
        route("GRPCRoute", "b", 2, "a.org", "b.org"),
        route("HTTPRoute", "c", 3, "b.org"),
    )
    assert accepted(*routes) == {"a", "c"}


def test_the_reason_names_the_older_route_and_a_remedy() -> None:
    old, new = route("HTTPRoute", "old", 1, "a.org"), route("GRPCRoute", "new", 2, "a.org")
    (lost,) = settled((old, new))[new.owner]
    assert lost.reason == "HostnameConflict"
    assert "HTTPRoute shop/old" in lost.message
    assert "a.org" in lost.message


def test_a_listener_without_conflict_stays() -> None:
    old = route("HTTPRoute", "old", 1, "a.org")
    both = msgspec.structs.replace(
        attachment("a.org"), listeners=(*attachment("a.org").listeners, *attachment("a.org", listener="grpc").listeners)
    )
    new = Contender(Owner("GRPCRoute", "shop", "new"), "2026-01-02", (both,))
    (kept,) = settled((old, new))[new.owner]
    assert [one.state.name for one in kept.listeners] == ["grpc"]
    assert kept.reason == "Accepted"

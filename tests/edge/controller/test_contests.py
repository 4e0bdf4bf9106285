"""HTTPRoutes and GRPCRoutes of one Gateway, as they come and go."""

from __future__ import annotations

import msgspec

from podwire.edge.controller.contests import Contests
from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import AttachedListener, Attachment
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.owners import Owner
from podwire.kube.meta import NamespacedName

OLD, NEW = Owner("GRPCRoute", "shop", "old"), Owner("HTTPRoute", "shop", "new")


def at(gateway: str, *domains: str) -> Attachment:
    key = NamespacedName("shop", gateway)
    state = ListenerState(
        gateway=key, parent=Owner("Gateway", "shop", gateway), name="http", port=80, protocol="HTTP", hostname="*"
    )
    reference = msgspec.convert({"name": gateway}, ParentReference)
    return Attachment(reference, key, (AttachedListener(state, domains),))


def attached(contests: Contests, route: Owner) -> list[str]:
    """Return the Gateways at which the route has listeners."""
    return [one.gateway.name for one in contests.attachments(route) if one.listeners]


def test_a_route_is_attached_again_when_the_older_one_is_gone() -> None:
    contests = Contests()
    contests.replace(NEW, "2", (at("one", "a.org"), at("two", "a.org")))
    assert contests.settle() == set()
    contests.replace(OLD, "1", (at("one", "a.org"),))
    assert contests.settle() == {OLD, NEW}
    assert attached(contests, NEW) == ["two"]
    assert attached(contests, OLD) == ["one"]
    assert [one.reason for one in contests.attachments(NEW)] == ["HostnameConflict", "Accepted"]
    contests.replace(OLD, "1", (at("one", "b.org"),))
    assert contests.settle() == {OLD, NEW}
    assert attached(contests, NEW) == ["one", "two"]
    contests.replace(OLD, "1", (at("one", "*"),))
    contests.settle()
    contests.replace(OLD, "1", ())
    assert NEW in contests.settle()
    assert attached(contests, NEW) == ["one", "two"]
    assert contests.attachments(OLD) == ()


def test_a_change_that_settles_nothing_touches_no_other_route() -> None:
    contests = Contests()
    contests.replace(OLD, "1", (at("one", "b.org"),))
    contests.replace(NEW, "2", (at("one", "a.org"),))
    contests.settle()
    contests.replace(NEW, "2", (at("one", "c.org"),))
    assert contests.settle() == {NEW}

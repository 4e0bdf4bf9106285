"""HTTPRoutes and GRPCRoutes of one Gateway, as they come and go."""

from __future__ import annotations

import random

import msgspec
import pytest

from podwire.edge.controller.contests import Contests
from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import AttachedListener, Attachment
from podwire.edge.gateway.contested_hostnames import Contender, settled
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.owners import Owner
from podwire.kube.meta import NamespacedName

DOMAINS = ("*", "a.org", "*.a.org", "x.a.org", "*.x.a.org", "y.x.a.org", "b.org")
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
    assert contests.settle() == set()


@pytest.mark.parametrize("seed", range(20))
def test_one_change_after_another_comes_to_what_all_at_once_does(seed: int) -> None:
    choose = random.Random(seed)
    routes = [Owner(kind, "shop", name) for kind in ("HTTPRoute", "GRPCRoute") for name in "abcd"]
    contests, alone = Contests(), dict[Owner, Contender]()
    for _ in range(60):
        changed = choose.choice(routes)
        before = {one: contests.attachments(one) for one in routes}
        gateways = choose.sample(("one", "two"), choose.randint(0, 2))
        attachments = tuple(at(one, *choose.sample(DOMAINS, choose.randint(1, 2))) for one in gateways)
        created = choose.choice("12")
        contests.replace(changed, created, attachments)
        alone.pop(changed, None)
        if attachments:
            alone[changed] = Contender(changed, created, attachments)
        reported = contests.settle() | {changed}
        expected = settled(alone.values())
        assert {one: contests.attachments(one) for one in routes if one in alone} == expected
        assert {one for one in routes if contests.attachments(one) != before[one]} <= reported

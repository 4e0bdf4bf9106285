"""Hosts that Ingresses and Gateways both have: which Ingresses are affected, and what their event reports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from podwire.edge.controller import shared_hosts
from podwire.edge.controller.shared_hosts import SharedHosts, shared
from podwire.kube.meta import NamespacedName
from tests.edge.controller.test_published_names import gateway
from tests.edge.ingress.objects import claim, ingress, path

BOTH = claim(ingress("both", path("/"), host="App.example.com"))
ALIAS = claim(ingress("alias", path("/"), host="alias.example.com", server_alias="route.example.com"))
OTHER = claim(ingress("other", path("/"), host="other.example.com"))
CLAIMS = {one.item.key: one for one in (BOTH, ALIAS, OTHER)}
EDGE = NamespacedName("shop", "edge")


def test_hosts_of_listeners_and_accepted_routes_are_shared() -> None:
    found = shared(gateway("True", "route.example.com", "else.example.com"), CLAIMS.values())
    assert found == {"app.example.com": (EDGE,), "route.example.com": (EDGE,)}
    assert shared(gateway("False", "route.example.com"), CLAIMS.values()) == {"app.example.com": (EDGE,)}
    assert shared(gateway("True"), (OTHER,)) == {}


async def test_the_ingresses_of_a_host_that_is_shared_now_or_no_more_are_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_hosts, "SETTLE_SECONDS", 0.0)
    objects = gateway("True", "route.example.com")
    touched: asyncio.Queue[set[str]] = asyncio.Queue()

    def touch(keys: Iterable[NamespacedName]) -> None:
        touched.put_nowait({one.name for one in keys})

    hosts = SharedHosts(objects, CLAIMS, touch)
    task = asyncio.create_task(hosts.run())
    try:
        async with asyncio.timeout(30):
            assert await touched.get() == {"both", "alias"}
            (message,) = hosts.messages(BOTH)
            assert message.startswith("app.example.com is a host of Gateway shop/edge too.")
            assert hosts.messages(OTHER) == ()
            objects.remove("Gateway", EDGE)
            hosts.changed(None)
            assert await touched.get() == {"both", "alias"}
            assert hosts.messages(BOTH) == ()
    finally:
        task.cancel()

"""Which Envoys a new leader waits for."""

from __future__ import annotations

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.take_over import awaited
from podwire.edge.xds.messages import Request
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import CLUSTER, Resource
from podwire.kube.core import Pod


def pod(name: str, proxy: str = "p", **more: object) -> Pod:
    metadata = {"name": name, "labels": {PROXY_LABEL: proxy}, **more}
    return msgspec.convert({"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, Pod)


def proxies() -> tuple[Proxies, Proxy]:
    found = Proxies(lambda _: None)
    return found, found.add("p", [Resource(CLUSTER, "a", "1", b"")])


def test_an_envoy_is_awaited_until_it_reports_what_it_holds() -> None:
    found, proxy = proxies()
    assert awaited([pod("a"), pod("b")], found, is_derived=True) == {"a", "b"}
    connection = proxy.connect("a", lambda: None)
    assert awaited([pod("a")], found, is_derived=True) == {"a"}
    connection.receive(Request(CLUSTER, ("*",), (), {"a": "1"}, "", ""))
    for response in connection.responses():
        connection.receive(Request(response.type_url, (), (), {}, response.nonce, ""))
    assert awaited([pod("a")], found, is_derived=True) == frozenset()
    assert awaited([pod("a"), pod("b")], found, is_derived=True) == {"b"}


def test_an_envoy_that_refuses_a_resource_is_not_waited_for() -> None:
    found, proxy = proxies()
    connection = proxy.connect("a", lambda: None)
    connection.receive(Request(CLUSTER, ("*",), (), {}, "", ""))
    (response,) = connection.responses()
    connection.receive(Request(CLUSTER, (), (), {}, response.nonce, "bad"))
    assert proxy.refusal((CLUSTER, "a"))
    assert awaited([pod("a")], found, is_derived=True) == frozenset()


def test_pods_that_end_or_of_no_proxy_are_not_waited_for() -> None:
    found, _ = proxies()
    assert not awaited([pod("a", deletionTimestamp="2026-01-01T00:00:00Z")], found, is_derived=True)
    assert not awaited([pod("a", proxy="gone")], found, is_derived=True)
    assert awaited([pod("a", proxy="later")], found, is_derived=False) == {"a"}

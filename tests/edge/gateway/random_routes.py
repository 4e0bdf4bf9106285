"""Random Gateways with routes, and requests that they could be for."""

from __future__ import annotations

import random
from typing import Any

from podwire.edge.model.choice import GRPC, Request
from podwire.edge.model.filters import Header

Object = dict[str, Any]

LISTENERS = (None, "*.a.org", "foo.a.org", "*.foo.a.org", "b.org")
HOSTNAMES = ("a.org", "*.a.org", "*.org", "foo.a.org", "*.foo.a.org", "bar.foo.a.org", "b.org")
HOSTS = ("a.org", "foo.a.org", "bar.foo.a.org", "x.a.org", "x.y.a.org", "x.y.foo.a.org", "b.org", "c.org")
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/ab", "/b")
METHODS = ("GET", "POST")
VALUES = ("1", "2")
SERVICES, CALLS = ("shop.Cart", "shop.CartList", "pay.Card"), ("Get", "GetAll", "List")


def gateway(dice: random.Random) -> Object:
    """Return a Gateway with listeners of one port."""
    hostnames = dice.sample(LISTENERS, dice.randint(1, 3))
    listeners = [
        {
            "name": f"l{index}",
            "port": 80,
            "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "All"}},
            **({"hostname": one} if one else {}),
        }
        for index, one in enumerate(hostnames)
    ]
    return {
        "kind": "Gateway",
        "metadata": {"namespace": "infra", "name": "edge"},
        "spec": {"gatewayClassName": "edge", "listeners": listeners},
    }


def routes(dice: random.Random, kind: str) -> list[Object]:
    """Return routes of one kind."""
    return [_route(dice, kind, number) for number in range(dice.randint(1, 6))]


def _route(dice: random.Random, kind: str, number: int) -> Object:
    parent = {"name": "edge", "namespace": "infra"}
    if dice.random() < 0.3:
        parent["sectionName"] = dice.choice(("l0", "l1"))
    match = _grpc_match if kind == "GRPCRoute" else _http_match
    rules = [{"matches": [match(dice) for _ in range(dice.randint(0, 2))]} for _ in range(dice.randint(1, 3))]
    return {
        "kind": kind,
        "metadata": {
            "namespace": dice.choice(("one", "two")),
            "name": f"r{dice.randint(0, 9)}-{number}",
            "creationTimestamp": dice.choice(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),
        },
        "spec": {
            "parentRefs": [parent],
            "hostnames": dice.sample(HOSTNAMES, dice.choice((0, 1, 1, 2))),
            "rules": rules,
        },
    }


def _http_match(dice: random.Random) -> Object:
    found: Object = {}
    if dice.random() < 0.8:
        found["path"] = {"type": dice.choice(("Exact", "PathPrefix")), "value": dice.choice(PATHS)}
    if dice.random() < 0.2:
        found["method"] = dice.choice(METHODS)
    found["headers"] = _values(dice, ("X-One", "x-two"))
    found["queryParams"] = _values(dice, ("p", "q"))
    return found


def _grpc_match(dice: random.Random) -> Object:
    method = {"service": dice.choice(SERVICES), "method": dice.choice(CALLS)}
    for name in dice.sample(sorted(method), dice.choice((0, 0, 1, 2))):
        del method[name]
    return {"method": method, "headers": _values(dice, ("x-one", "x-two"))} if method else {}


def _values(dice: random.Random, names: tuple[str, ...]) -> list[Object]:
    return [{"name": one, "value": dice.choice(VALUES)} for one in names if dice.random() < 0.15]


def request(dice: random.Random, kind: str) -> Request:
    """Return a request."""
    headers = tuple(Header(name, dice.choice(VALUES)) for name in ("x-one", "x-two") if dice.random() < 0.5)
    query = tuple((name, dice.choice(VALUES)) for name in ("p", "q") if dice.random() < 0.5)
    if kind == "GRPCRoute":
        path = f"/{dice.choice(SERVICES)}/{dice.choice(CALLS)}"
        return Request(dice.choice(HOSTS), path, "POST", (), (*headers, Header("content-type", GRPC)))
    return Request(dice.choice(HOSTS), dice.choice(PATHS), dice.choice(METHODS), query, headers)

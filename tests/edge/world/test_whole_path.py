"""From objects to answers: Gateways of one world, with clients of each protocol; for each answer a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from podwire.pki.certificates import Authority
from podwire.testing import World
from podwire.testing.namespaces import fresh_namespace, remove
from tests.edge.world import gateways
from tests.edge.world.call_program import HEALTH, Call
from tests.edge.world.gateways import addresses, answered, apply, get, route, rule, workload
from tests.edge.world.http_clients import Target
from tests.edge.world.programs import running

HOST, SECURE, OTHER = "app.example.com", "secure.example.com", "other.example.com"
WEBSOCKET_PORT = 8090
AUTHORITY = Authority.create()


@dataclass(frozen=True)
class Edge:
    """The world as its main namespace sees it, the other namespace, and the first Gateway's addresses."""

    world: World
    other: str
    ipv4: str
    ipv6: str


@pytest.fixture(scope="module")
def edge(quarter: World) -> Iterator[Edge]:
    other = fresh_namespace(quarter, "edge-other")
    apply(other.world, *workload("far"))
    apply(
        quarter,
        *workload("near"),
        *workload("talk"),
        gateways.service("none"),
        gateways.service("greeter", app="near", protocol="kubernetes.io/h2c"),
        gateways.certificate("secure", AUTHORITY.server(names=(SECURE,), addresses=())),
        gateways.gateway("first", gateways.http(), gateways.https(SECURE, "secure"), gateways.https(OTHER, "secure")),
        gateways.gateway("second", gateways.http()),
        route(
            "app",
            "first",
            HOST,
            rule("/near", "near"),
            rule("/none", "none"),
            rule("/missing", "missing"),
            rule("/far", "far", namespace=other.name),
            rule("/socket", "socket"),
        ),
        route("secure", "first", SECURE, rule("/", "near")),
        route("second", "second", OTHER, rule("/", "near")),
        grpc_route(),
    )
    first = addresses(quarter, "first")
    quarter.wait(quarter.namespace)
    ipv4, ipv6 = (next(one for one in first if (":" in one) is six) for six in (False, True))
    yield Edge(quarter, other.name, ipv4, ipv6)
    quarter.kubectl("delete", "gateways", "--all", "--wait=false")
    remove(other)


def grpc_route() -> gateways.Object:
    match = {"method": {"service": "grpc.health.v1.Health", "method": "Check"}}
    one = {"matches": [match], "backendRefs": [{"name": "greeter", "port": 80}]}
    return route("greeter", "first", "grpc.example.com", one, kind="GRPCRoute")


def test_requests_of_http_reach_a_backend_by_both_families(edge: Edge) -> None:
    found = answered(
        edge.world,
        [
            (get(edge.ipv4, HOST, "/near/x"), "200"),
            (get(edge.ipv6, HOST, "/near/x"), "200"),
            (get(edge.ipv4, HOST, "/nearby"), "404"),
            (get(edge.ipv6, "stranger.example.com", "/near"), "404"),
        ],
    )
    assert all("path: /near/x" in one.body for one in found[:2])


def test_a_backend_that_cannot_be_reached_has_a_status_of_its_own(edge: Edge) -> None:
    answered(
        edge.world,
        [(get(edge.ipv4, HOST, "/none"), "503"), (get(edge.ipv4, HOST, "/missing"), "500")],
    )


def test_tls_ends_at_the_gateway(edge: Edge) -> None:
    found = answered(
        edge.world,
        [
            (get(edge.ipv4, SECURE, tls=True), "200"),
            (get(edge.ipv6, SECURE, tls=True, h2=True), "200"),
            (get(edge.ipv4, OTHER, tls=True, h2=True, name=SECURE), "421"),
            (get(edge.ipv4, OTHER, tls=True), "404"),
        ],
    )
    assert "host: secure.example.com" in found[1].body
    (refused,) = gateways.replies(edge.world, get(edge.ipv4, SECURE, tls=True, name="stranger.example.com"))
    assert not refused.answer.isdecimal(), "no listener has this server name"


def test_calls_of_grpc_reach_the_method_of_a_route(edge: Edge) -> None:
    target = Target(edge.ipv4, 80, "grpc.example.com", HEALTH)
    found = answered(
        edge.world,
        [
            (Call("grpc", target), "OK"),
            (Call("grpc", msgspec.structs.replace(target, path="/grpc.health.v1.Health/Watch")), "UNIMPLEMENTED"),
        ],
    )
    assert found[0].body == "SERVING"


def test_a_websocket_leads_to_a_backend(edge: Edge) -> None:
    pod = edge.world.jsonpath("pods", "{.items[0].metadata.name}", "--selector=app=talk")
    with running(edge.world, f"{edge.world.namespace}/{pod}", "websocket_program", str(WEBSOCKET_PORT)) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        # A stand-in listens on the ports of Services, but on none that is taken.
        apply(edge.world, gateways.service("socket", app="talk", port=WEBSOCKET_PORT, protocol="kubernetes.io/ws"))
        found = answered(
            edge.world,
            [
                (Call("websocket", Target(edge.ipv4, 80, HOST, "/socket")), "101"),
                (Call("websocket", Target(edge.ipv4, 80, HOST, "/near")), "200"),
                (Call("websocket", Target(edge.ipv4, 80, HOST, "/elsewhere")), "404"),
            ],
        )
    assert found[0].body == "hello"


def test_another_namespace_grants_its_backends_and_revokes_them(edge: Edge) -> None:
    far = get(edge.ipv4, HOST, "/far")
    answered(edge.world, [(far, "500")])
    apply(edge.world.within(edge.other), gateways.grant(edge.world.namespace))
    (reply,) = answered(edge.world, [(far, "200")])
    assert f"pod: {edge.other}/" in reply.body
    edge.world.kubectl("delete", "referencegrant", "routes", "--namespace", edge.other)
    answered(edge.world, [(far, "500")])


def test_each_gateway_has_its_own_address_and_routes(edge: Edge) -> None:
    second = addresses(edge.world, "second")
    assert not {edge.ipv4, edge.ipv6} & set(second)
    answered(
        edge.world,
        [
            (get(second[0], OTHER), "200"),
            (get(edge.ipv4, OTHER), "404"),
            (get(second[0], HOST, "/near"), "404"),
        ],
    )


def test_a_changed_route_serves_what_it_says_now(edge: Edge) -> None:
    apply(edge.world, route("changing", "second", "changing.example.com", rule("/old", "near")))
    second = addresses(edge.world, "second")[0]
    old, new = (get(second, "changing.example.com", path) for path in ("/old", "/new"))
    answered(edge.world, [(old, "200"), (new, "404")])
    apply(edge.world, route("changing", "second", "changing.example.com", rule("/new", "near")))
    answered(edge.world, [(old, "404"), (new, "200")])
    edge.world.kubectl("delete", "httproute", "changing")
    answered(edge.world, [(old, "404"), (new, "404")])

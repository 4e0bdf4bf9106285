"""What clients lose under constant load while parts of a Gateway's path are changed, replaced and killed: nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

import msgspec
import pytest

from podwire.pki.certificates import Authority, KeyPair
from podwire.testing import World
from tests.edge.world import gateways
from tests.edge.world.gateways import addresses, answered, apply, get, replies, route, rule, workload
from tests.edge.world.http_clients import Target
from tests.edge.world.load import Load, load
from tests.edge.world.rollouts import ROLLED_OUT_SECONDS, SYSTEM, names, roll, wait_for_rollout
from tests.world.harness import Home, eventually, running

pytestmark = pytest.mark.long

HOST = "app.example.com"
AUTHORITY = Authority.create()
ENVOYS = "gateway.podwire.io/proxy=podwire"
OTHER_ENVOYS = "gateway.podwire.io/proxy,gateway.podwire.io/proxy!=podwire"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from running(Home(tmp_path_factory.mktemp("faults")), "gateway-faults", "--nodes", "2")


@pytest.fixture(scope="module")
def programmed(world: World) -> tuple[str, ...]:
    """The addresses of the Gateway, IPv4 first."""
    apply(
        world,
        *workload("web", replicas=3),
        *workload("other", replicas=2),
        *workload("third"),
        gateways.certificate("app", pair()),
        gateways.gateway("edge", gateways.http(), gateways.https(HOST, "app")),
    )
    world.wait("default")
    return tuple(sorted(addresses(world, "edge"), key=lambda one: ":" in one))


@pytest.fixture
def edge(world: World, programmed: tuple[str, ...]) -> tuple[Target, ...]:
    """The ways to the Gateway, whose route leads to `web`: each family, in plain text, by TLS and by HTTP/2."""
    ipv4, ipv6 = programmed
    apply(world, route("app", "edge", HOST, rule("/", "web")))
    answered(world, [(get(ipv4, HOST), "200"), (get(ipv6, HOST, tls=True), "200")])
    return (
        Target(ipv4, 80, HOST),
        Target(ipv6, 443, HOST, tls=True),
        Target(ipv4, 443, HOST, tls=True, h2=True),
        Target(ipv6, 443, HOST, tls=True, h2=True),
    )


def pair() -> KeyPair:
    return AUTHORITY.server(names=(HOST,), addresses=())


def leads_to(world: World, gateway: str, selector: str) -> bool:
    """Whether the Service of a Gateway leads to Envoys of this selector only."""
    owned = ("--selector", f"gateway.networking.k8s.io/gateway-name={gateway}", "-o", "json")
    slices = json.loads(world.kubectl("get", "endpointslices", *owned).stdout)["items"]
    pods = {endpoint["targetRef"]["name"] for one in slices for endpoint in one["endpoints"]}
    return bool(pods) and pods <= names(world, selector, SYSTEM)


def connections(found: Load) -> list[int]:
    """Return how many connections each client has made that keeps one."""
    return [one.connections for one in found.counts if one.connections < sum(one.answers.values())]


def test_a_rolling_update_of_backends(world: World, edge: tuple[Target, ...]) -> None:
    before = names(world, "app=web")
    with load(world, edge) as found:
        roll(world, "web", "app=web")
        after = names(world, "app=web")
        found.wait_for(after)
    assert found.lost == []
    assert before | after <= found.backends


def test_backends_that_are_killed(world: World, edge: tuple[Target, ...]) -> None:
    with load(world, edge) as found:
        for name in sorted(names(world, "app=web"))[:2]:
            world.kubectl("delete", "pod", name, "--grace-period=0", "--force")
            wait_for_rollout(world, "web")
        found.wait_for(names(world, "app=web"))
    assert found.lost == []


def test_edits_of_routes(world: World, edge: tuple[Target, ...]) -> None:
    with load(world, edge) as found:
        for step in range(8):
            apply(world, route("app", "edge", HOST, rule(f"/{step}", "other"), rule("/", "other", "web")))
            apply(world, route("app", "edge", HOST, rule("/", ("web", "other")[step % 2])))
        found.wait_for(names(world, "app=other"))
    assert found.lost == []
    assert connections(found) == [1] * len(connections(found)), "a route's change ends no connection"


def test_a_listener_that_comes_and_goes(world: World, edge: tuple[Target, ...]) -> None:
    old = (gateways.http(), gateways.https(HOST, "app"))
    with load(world, edge) as found:
        for new in (gateways.https("new.example.com", "app"), gateways.http(8080)):
            apply(world, gateways.gateway("edge", *old, new))
            eventually(partial(is_programmed, world, new["name"]), 60, "the new listener serves")
            apply(world, gateways.gateway("edge", *old))
    assert found.lost == []
    assert connections(found) == [1] * len(connections(found))


def is_programmed(world: World, listener: str) -> bool:
    found = json.loads(world.kubectl("get", "gateway", "edge", "-o", "json").stdout)["status"]["listeners"]
    conditions = [one["conditions"] for one in found if one["name"] == listener]
    return any(one["type"] == "Programmed" and one["status"] == "True" for each in conditions for one in each)


def test_rotation_of_a_certificate(world: World, edge: tuple[Target, ...]) -> None:
    call = get(edge[1].address, HOST, tls=True)
    serials = {replies(world, call)[0].certificate}
    with load(world, edge) as found:
        for _ in range(3):
            apply(world, gateways.certificate("app", pair()))
            eventually(lambda: replies(world, call)[0].certificate not in serials, 60, "the new certificate is shown")
            serials.add(replies(world, call)[0].certificate)
    assert found.lost == []
    assert connections(found) == [1] * len(connections(found)), "a rotation ends no connection"


def test_a_controller_that_is_killed(world: World, edge: tuple[Target, ...]) -> None:
    with load(world, edge) as found:
        for name in ("other", "third"):
            world.kill("gateway-controller")
            apply(world, route("app", "edge", HOST, rule("/", name)))
            found.wait_for(names(world, f"app={name}"))
    assert found.lost == []
    assert connections(found) == [1] * len(connections(found))


def test_a_rolling_update_of_envoys(world: World, edge: tuple[Target, ...]) -> None:
    with load(world, edge) as found:
        roll(world, "envoy-podwire", ENVOYS, SYSTEM)
    assert found.lost == []
    assert max(connections(found)) > 1, "no connection was ended"


def test_deletion_of_the_only_envoy(world: World, edge: tuple[Target, ...]) -> None:
    (before,) = names(world, ENVOYS, SYSTEM)
    with load(world, edge) as found:
        world.kubectl("delete", "pod", before, "--namespace", SYSTEM, "--timeout=90s", timeout=100)
        wait_for_rollout(world, "envoy-podwire", SYSTEM)
    assert found.lost == []
    assert before not in names(world, ENVOYS, SYSTEM)


def test_deletion_of_one_of_two_envoys(world: World, edge: tuple[Target, ...]) -> None:
    """By a Gateway with Envoys of its own."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "twins"}, "data": {"replicas": "2"}}
    own = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "twins"}}
    twins = gateways.gateway("twins", gateways.http(), infrastructure=own)
    apply(world, settings, twins, route("twins", "twins", HOST, rule("/", "web")))
    eventually(lambda: len(names(world, OTHER_ENVOYS, SYSTEM)) == 2, ROLLED_OUT_SECONDS, "two Envoys")
    found = addresses(world, "twins")
    answered(world, [(get(one, HOST), "200") for one in found])
    with load(world, [msgspec.structs.replace(edge[0], address=one) for one in found]) as clients:
        for name in sorted(names(world, OTHER_ENVOYS, SYSTEM)):
            world.kubectl("delete", "pod", name, "--namespace", SYSTEM, "--timeout=90s", timeout=100)
        eventually(lambda: addresses(world, "twins"), ROLLED_OUT_SECONDS, "both Envoys serve")
    assert clients.lost == []


@pytest.mark.timeout(400)
def test_a_gateway_that_gets_and_loses_envoys_of_its_own(world: World, edge: tuple[Target, ...]) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {}}
    own = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "own"}}
    apply(world, settings, gateways.gateway("mover", gateways.http()), route("mover", "mover", HOST, rule("/", "web")))
    found = addresses(world, "mover")
    answered(world, [(get(one, HOST), "200") for one in found])
    with load(world, [msgspec.structs.replace(edge[0], address=one) for one in found]) as clients:
        apply(world, gateways.gateway("mover", gateways.http(), infrastructure=own))
        eventually(lambda: leads_to(world, "mover", OTHER_ENVOYS), ROLLED_OUT_SECONDS, "the move to the own Envoy")
        apply(world, gateways.gateway("mover", gateways.http()))
        eventually(lambda: leads_to(world, "mover", ENVOYS), ROLLED_OUT_SECONDS, "the move back")
        apply(world, route("mover", "mover", HOST, rule("/", "other")))
        clients.wait_for(names(world, "app=other"))
        eventually(lambda: not names(world, OTHER_ENVOYS, SYSTEM), ROLLED_OUT_SECONDS, "the end of the own Envoy")
    assert clients.lost == []
    assert addresses(world, "mover") == found


def test_the_load_reports_what_fails(world: World, edge: tuple[Target, ...]) -> None:
    with load(world, edge) as found:
        world.kubectl("delete", "httproute", "app")
        answered(world, [(get(edge[0].address, HOST), "404")])
        apply(world, route("app", "edge", HOST, rule("/", "web")))
        answered(world, [(get(edge[0].address, HOST), "200")])
    assert any("status 404" in one for one in found.lost)

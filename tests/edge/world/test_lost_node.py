"""The node of the controller that leads loses its power: no request fails, and another controller goes on.

The controllers are processes on nodes of a world that has none of its own; each serves xDS at its node's addresses.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator
from importlib import resources

import pytest

from podwire.kube.core import EXCLUDE_FROM_LOAD_BALANCERS
from podwire.kube.leases import Timing
from podwire.testing import World
from tests.edge.world import gateways
from tests.edge.world.gateways import addresses, answered, apply, get, route, rule, service, workload
from tests.edge.world.http_clients import Target
from tests.edge.world.load import load
from tests.edge.world.programs import running as started
from tests.world.harness import Home, eventually, running

pytestmark = pytest.mark.long

HOST, LATER = "app.example.com", "later.example.com"
NODES = {"node-2": ("172.18.0.3", "fd00:172:18::3"), "node-3": ("172.18.0.4", "fd00:172:18::4")}
DEFINITIONS = "standard/definitions.json"
SYSTEM, CONTROLLER = "podwire-system", "podwire-gateway-controller"
TAKEN_OVER_SECONDS = Timing().duration + 2 * Timing().retry
"""From the last renewal of the Lease until another controller holds it."""
BUSY_SECONDS = 15.0
"""More until Envoys are connected and a status is written, on a busy machine."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that leaves the Gateway API to its user, with Envoys, backends and traffic on node-1 alone."""
    started = running(Home(tmp_path_factory.mktemp("node")), "lost-node", "--nodes", "3", "--gateway-api", "none")
    for world in started:
        world.kubectl("cordon", *NODES)
        world.kubectl("label", "node", *NODES, f"{EXCLUDE_FROM_LOAD_BALANCERS}=")
        yield world


def definitions() -> str:
    """Return Gateway API's CustomResourceDefinitions."""
    archive = resources.files("podwire.apiserver").joinpath("data/gateway_api/definitions.zip")
    with archive.open("rb") as file, zipfile.ZipFile(file) as content:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": json.loads(content.read(DEFINITIONS))})


def xds_service() -> gateways.Object:
    """Return the Service of the controllers, as the chart has it: the leader writes its endpoints."""
    metadata = {"name": CONTROLLER, "namespace": SYSTEM}
    ports = [{"name": "xds", "port": 18000, "protocol": "TCP"}]
    spec = {"ipFamilyPolicy": "PreferDualStack", "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def leader(world: World) -> str:
    return world.jsonpath(f"lease {CONTROLLER}", "{.spec.holderIdentity}", "--namespace", SYSTEM)


def conditions(world: World, what: str, path: str) -> dict[str, tuple[str, str]]:
    found = json.loads(world.jsonpath(what, path) or "[]")
    return {one["type"]: (one["status"], one["lastTransitionTime"]) for one in found}


def is_accepted(world: World, name: str) -> bool:
    found = conditions(world, f"httproute {name}", "{.status.parents[0].conditions}")
    return "Accepted" in found and found["Accepted"][0] == "True"


@pytest.mark.timeout(400)
def test_status_and_routes_go_on_and_no_request_fails(world: World) -> None:
    world.apply(definitions())
    world.kubectl("create", "namespace", SYSTEM, check=False)
    apply(world, xds_service())
    with contextlib.ExitStack() as stack:
        for node, own in NODES.items():
            program = ("controller_program", str(world.folder / "pki"), node, *own)
            stack.enter_context(started(world, node, *program))
        eventually(lambda: leader(world) in NODES, 60, "a controller leads")
        eventually(lambda: world.kubectl("get", "gatewayclass", "podwire", check=False).stdout, 60, "the class")
        apply(world, *workload("web", replicas=2), service("spare", app="web"))
        apply(world, gateways.gateway("edge", gateways.http()), route("app", "edge", HOST, rule("/", "web")))
        found = addresses(world, "edge")
        answered(world, [(get(one, HOST), "200") for one in found])
        since = conditions(world, "gateway edge", "{.status.conditions}")
        with load(world, [Target(one, 80, HOST) for one in found]) as clients:
            lost = leader(world)
            world.home.podwire("node", "stop", "--name", world.name, lost)
            apply(world, route("later", "edge", LATER, rule("/", "spare")))
            eventually(lambda: leader(world) in NODES.keys() - {lost}, TAKEN_OVER_SECONDS, "another controller leads")
            eventually(lambda: is_accepted(world, "later"), BUSY_SECONDS, "the new route has a status")
            answered(world, [(get(one, LATER), "200") for one in found])
        assert clients.lost == []
        assert conditions(world, "gateway edge", "{.status.conditions}") == since, "no condition has changed"

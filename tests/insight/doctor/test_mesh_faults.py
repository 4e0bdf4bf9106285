"""A fault of a mesh that is made for real in a world is found, and nothing before; nodes serve its metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from podwire.testing import World
from podwire.testing.home import Home
from podwire.testing.waiting import eventually
from tests.mesh.test_identity_in_world import MANIFEST, POD, wait_for_redirection
from tests.world.harness import running

OPTIONS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: podwire-mesh, namespace: podwire-system}
data: {colour: red}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for one in running(Home(tmp_path_factory.mktemp("home")), "meshfaults", "--nodes", "2"):
        pods = "".join(
            POD.replace("NAME", name).replace("NODE", node) for name, node in (("front", "node-1"), ("back", "node-2"))
        )
        one.apply(MANIFEST + pods)
        shop = one.within("shop")
        shop.wait()
        wait_for_redirection(shop)
        yield shop


def findings(world: World) -> set[tuple[str, str]]:
    """Return level and object of what the check `mesh` finds."""
    report = json.loads(world.home.podwire("doctor", "--name", world.name, "-o", "json", check=False).stdout)
    (found,) = [one["findings"] for one in report["verdicts"] if one["check"] == "mesh"]
    return {(one["level"], one["object"]) for one in found}


def page(world: World, node: str) -> str:
    return world.run_in(node, "curl", "-s", "http://127.0.0.1:15020/metrics").stdout


@pytest.mark.long
@pytest.mark.timeout(400)
def test_options_that_cannot_be_read_are_found(world: World) -> None:
    eventually(lambda: findings(world) == set(), 120)
    system = world.within("podwire-system")
    system.apply(OPTIONS)
    eventually(lambda: findings(world) == {("warning", "node-1"), ("warning", "node-2")}, 120)
    system.kubectl("delete", "configmap", "podwire-mesh")
    eventually(lambda: findings(world) == set(), 120)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_connections_are_counted_by_workload_and_service(world: World) -> None:
    address = world.jsonpath("service/back", "{.spec.clusterIP}")
    world.run_in("front", "curl", "-s", "-m", "30", f"http://{address}/")
    wanted = ('source_workload="front"', 'destination_workload="back"', 'destination_service="back.shop.svc"')

    def counted(node: str) -> bool:
        lines = [one for one in page(world, node).splitlines() if one.startswith("istio_tcp_connections_opened_total{")]
        return any(all(text in one for text in wanted) for one in lines)

    eventually(lambda: counted("node-1") and counted("node-2"), 120)

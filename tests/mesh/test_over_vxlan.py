"""The mesh in a world whose nodes are joined by VXLAN: identities of clients of another node decide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwire.testing import World
from podwire.testing.home import Home
from podwire.testing.waiting import eventually
from tests.mesh.test_identity_in_world import MANIFEST, POD
from tests.world.harness import running

POLICY = """
---
apiVersion: mesh.podwire.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: back, namespace: shop}
spec:
  selector: {matchLabels: {app: back}}
  rules: [{from: [{identities: [shop/front]}]}]
"""
PLACES = {"front": "node-1", "other": "node-1", "back": "node-2"}


REDIRECTED = ("get", "pods", "-l", "podwire.dev/mesh-redirection=enabled", "-o", "name")
REQUEST = ("curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://back.shop/")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = Home(tmp_path_factory.mktemp("home"))
    for world in running(home, "mesh-vxlan", "--nodes", "2", "--overlay", "vxlan"):
        pods = "".join(POD.replace("NAME", name).replace("NODE", node) for name, node in PLACES.items())
        world.apply(MANIFEST + pods + POLICY)
        found = world.within("shop")
        found.wait()
        eventually(lambda: len(found.kubectl(*REDIRECTED).stdout.split()) == len(PLACES), 120)  # noqa: B023
        yield found


def status(shop: World, client: str) -> str:
    """The status that a pod gets; 000 without a response."""
    return shop.run_in(client, *REQUEST, check=False).stdout


@pytest.mark.long
@pytest.mark.timeout(400)
def test_policies_decide_by_identities_of_another_node(shop: World) -> None:
    eventually(lambda: status(shop, "front") == "200", 60)
    eventually(lambda: status(shop, "other") == "000", 60)
    assert status(shop, "front") == "200"

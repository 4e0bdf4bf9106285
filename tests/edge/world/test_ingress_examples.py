"""examples/ingress as a whole: what its README says that requests get, and the names outside of the cluster."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.pki.certificates import Authority
from podwire.testing import World
from tests.edge.world import gateways
from tests.edge.world.gateways import PATIENCE_SECONDS, answered, get
from tests.world.harness import eventually

EXAMPLES = Path(__file__).parents[3] / "examples" / "ingress"
SECURE = "secure.example.com"
USER, WRONG = ({"Authorization": f"Basic {one}"} for one in ("YWxpY2U6cGFzc3dvcmQ=", "YWxpY2U6d3Jvbmc="))
CANARY_SHARE = 0.3


@pytest.fixture(scope="module")
def served(cluster: World) -> Iterator[tuple[World, str]]:
    """The world with the examples applied as kubectl applies the folder, and the address of its Ingresses."""
    cluster.kubectl("apply", "-f", str(EXAMPLES))
    pair = Authority.create().server(names=(SECURE,), addresses=())
    secret = gateways.certificate("secure-tls", pair)
    secret["metadata"]["namespace"] = "web"
    cluster.apply(json.dumps(secret))
    try:
        cluster.wait("web")
        yield cluster, eventually(lambda: _address(cluster), PATIENCE_SECONDS, "all Ingresses have an address")
    finally:
        cluster.kubectl("delete", "-f", str(EXAMPLES), "--ignore-not-found", "--wait=false")


def _address(world: World) -> str:
    items = json.loads(world.kubectl("get", "ingress", "-n", "web", "-o", "json").stdout)["items"]
    found = [one.get("status", {}).get("loadBalancer", {}).get("ingress", ()) for one in items]
    assert len(found) >= 8
    assert all(found), found
    return next(str(one["ip"]) for one in found[0] if ":" not in one["ip"])


def _pods(bodies: list[str]) -> list[str]:
    """The workload of the pod that answered each."""
    return [re.findall(r"^pod: web/(\S+)-\w+-\w+$", one, re.MULTILINE)[0] for one in bodies]


def test_each_example_answers_as_its_page_says(served: tuple[World, str]) -> None:
    world, address = served
    found = answered(
        world,
        [
            (get(address, "any.example", "/testpath"), "200"),
            (get(address, "any.example", "/else"), "404"),
            (get(address, "shop.example.com", "/api/x"), "200"),
            (get(address, "shop.example.com", "/apix"), "200"),
            (get(address, "api.example.com"), "200"),
            (get(address, "example.com", "/api/users"), "200"),
            (get(address, "example.com", "/api"), "200"),
            (get(address, "example.com", "/other"), "404"),
            (get(address, SECURE, "/x"), "308"),
            (get(address, SECURE, "/", tls=True), "302"),
            (get(address, SECURE, "/start", tls=True), "200"),
            (get(address, "canary.example.com", headers={"X-Canary": "always"}), "200"),
            (get(address, "canary.example.com", headers={"X-Canary": "never"}), "200"),
            (get(address, "users.example.com"), "401"),
            (get(address, "users.example.com", headers=WRONG), "401"),
            (get(address, "users.example.com", headers=USER), "200"),
        ],
    )
    paths = [re.findall(r"^path: (\S+)$", one.body, re.MULTILINE) for one in found]
    assert (paths[0], paths[5], paths[6]) == (["/"], ["/users"], ["/"])
    answering = _pods([one.body for one in found if one.answer == "200"])
    assert answering == ["shop", "api", "shop", "api", "api", "api", "shop", "shop-v2", "shop", "shop"]


@pytest.mark.long
def test_three_of_ten_requests_go_to_the_canary(served: tuple[World, str]) -> None:
    world, address = served
    found = gateways.replies(world, *[get(address, "canary.example.com")] * 200)
    share = Counter(_pods([one.body for one in found]))["shop-v2"] / len(found)
    assert abs(share - CANARY_SHARE) < 0.15


def test_limits_of_requests_and_bodies(served: tuple[World, str]) -> None:
    world, address = served
    found = [one.answer for one in gateways.replies(world, *[get(address, "limits.example.com")] * 8)]
    assert found[:3] == ["200"] * 3
    assert "503" in found


def test_a_request_goes_where_it_is_explained_to_go(served: tuple[World, str]) -> None:
    world, _ = served
    words = ("trace", "url", "http://example.com/api/users", "--from", "web/shop", "--name", world.name)
    done = world.home.podwire(*words)
    assert "route     ingress web/rewrite, rule 0\n" in done.stdout, done.stdout
    assert "\nas explained: forwarded to web/api:80\n" in done.stdout


def test_names_resolve_outside_and_follow_changes(served: tuple[World, str]) -> None:
    world, _ = served

    def fetched() -> str:
        command = ("curl", "-s", "-m", "10", "http://example.com/api/users")
        return world.home.podwire("outside", "--name", world.name, "--", *command, check=False).stdout

    assert "path: /users\n" in eventually(fetched, PATIENCE_SECONDS, "example.com leads to the Ingress")
    world.kubectl("delete", "ingress", "-n", "web", "rewrite")
    eventually(lambda: not fetched(), PATIENCE_SECONDS, "example.com is the outside host again")

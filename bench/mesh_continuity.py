"""Requests that fail while the mesh and what it serves change: the goal is none.

One client in a pod makes requests one after the other, of four kinds: through a route on kept and on new connections, a
POST through the route, and on new connections to a Service without routes. A response that did not pass the route
counts as failed.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.world.harness import Home, World, eventually

from bench import mesh_world
from bench.figure import Figure
from bench.mesh_world import MESH_NODE, PATIENCE_SECONDS, Inside, cluster_ip
from bench.world import running_world
from podwire.testing.processes import end

Event = Callable[[World, int], None]
"""What happens to a world, so many times."""

REST_SECONDS = 0.004
REQUEST_SECONDS = 20.0
CALM_SECONDS = 2.0
ROTATION_SECONDS = 75
"""Nodes replace their certificates within a minute."""

POST = "POST"
KINDS = {"kept": "GET", "new": "GET", POST: POST, "direct": "GET"}
WORKLOAD = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec: {selector: {app: NAME}, ports: [{port: 80}]}
"""
CLIENT = """
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {nodeName: node-1, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
"""


def figures(*, quick: bool) -> Iterator[Figure]:
    """One world; each event in turn, and the requests that failed meanwhile."""
    with (
        tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder,
        running_world(Home(Path(folder)), nodes=2) as world,
    ):
        _start(world)
        for name, event in EVENTS.items():
            yield from _of_event(world, name, event, 1 if quick else 3)


def _start(world: World) -> None:
    world.apply(mesh_world.NAMESPACES + CLIENT + "".join(WORKLOAD.replace("NAME", one) for one in ("v1", "v2", "web")))
    _weigh(world, 100)
    world.within("shop").wait()
    mesh_world.until_redirected(world, 10)
    mesh_world.until_peer(world, "client", "client")
    words = ("curl", "-s", "-o", "/dev/null", "-m", "5", "-w", f"%header{{{mesh_world.ROUTED_HEADER}}}")
    url = f"http://{cluster_ip(world, 'shop', 'web')}/"
    eventually(
        lambda: world.run_in("shop/client", *words, url, check=False).stdout == "yes", PATIENCE_SECONDS, "the route"
    )


def _weigh(world: World, first: int) -> None:
    """Send so many percent of the requests to `v1`, the others to `v2`."""
    header = {"set": [{"name": mesh_world.ROUTED_HEADER, "value": "yes"}]}
    weights = {"v1": first, "v2": 100 - first}
    rule = {
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": header}],
        "backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()],
    }
    spec = {"parentRefs": [{"group": "", "kind": "Service", "name": "web"}], "rules": [rule]}
    metadata = {"name": "web", "namespace": "shop"}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    world.apply(json.dumps(route))


def _of_event(world: World, name: str, event: Event, times: int) -> Iterator[Figure]:
    routed, direct = (cluster_ip(world, "shop", one) for one in ("web", "v1"))
    with Inside(world, "shop/client", requests, routed, direct) as client:
        time.sleep(CALM_SECONDS)
        event(world, times)
        time.sleep(CALM_SECONDS)
        client.end()
        made, failed = client.result()
    for method in ("GET", POST):
        kinds = [kind for kind, one in KINDS.items() if one == method]
        count = sum(made[kind] for kind in kinds)
        lost = {f"{kind}: {text}": number for (kind, text), number in failed.items() if kind in kinds}
        shown = f"of {count:,}" + "".join(f"; {number} x {text}" for text, number in lost.items())
        yield Figure(f"mesh, {method}: failed over {name}", sum(lost.values()), "", 0, shown)


def _rotate(world: World, _: int) -> None:
    world.home.podwire("mesh", "ca", "rotate", "--name", world.name)
    time.sleep(ROTATION_SECONDS)


def _shift(world: World, times: int) -> None:
    for first in (90, 50, 0, 100, 1, 99, 10) * times:
        _weigh(world, first)
        time.sleep(0.3)


def _roll(world: World, times: int) -> None:
    for _ in range(times):
        for verb, *rest in (("restart",), ("status", "--timeout=120s")):
            for name in ("v1", "v2"):
                world.kubectl("-n", "shop", "rollout", verb, f"deployment/{name}", *rest)


def _kill(*roles: str) -> Event:
    def kill(world: World, times: int) -> None:
        for _ in range(times):
            for role in roles:
                world.kill(role)
                time.sleep(CALM_SECONDS)

    return kill


def _kill_mesh_nodes(world: World, times: int) -> None:
    """Kill the programs that configure the Envoys; the kubelet starts them again."""
    for _ in range(times):
        before = _programs(world)
        for pid in before:
            end(pid)
        eventually(lambda old=before: len(_programs(world) - old) == 2, PATIENCE_SECONDS, "they run again")  # type: ignore[misc]
        time.sleep(CALM_SECONDS)


def _programs(world: World) -> set[int]:
    return {pid for pid, name in world.processes().items() if name == MESH_NODE}


EVENTS: dict[str, Event] = {
    "a canary's shift by weights": _shift,
    "rolling updates": _roll,
    "restarts of agents": _kill("agent-node-1", "agent-node-2"),
    "restarts of mesh-node": _kill_mesh_nodes,
    "restarts of the mesh's controller": _kill("mesh-controller"),
    "rotation of the root": _rotate,
}


def requests(pipe: Any, routed: str, direct: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Make requests until the pipe has a word; return how many of each kind, and the errors of each."""
    made, failed = Counter[str](), Counter[tuple[str, str]]()
    kept: dict[str, HTTPConnection] = {kind: _connection(routed) for kind in ("kept", POST)}
    while not pipe.poll(REST_SECONDS):
        for kind, method in KINDS.items():
            client = kept.get(kind) or _connection(direct if kind == "direct" else routed)
            made[kind] += 1
            if error := _error(client, method, is_routed=kind != "direct"):
                failed[kind, error] += 1
            if kind not in kept or error:
                client.close()
    return made, failed


def _connection(address: str) -> HTTPConnection:
    return HTTPConnection(address, 80, timeout=REQUEST_SECONDS)


def _error(client: HTTPConnection, method: str, *, is_routed: bool) -> str:
    """Make a request; return how it failed, empty where it did not. A connection that was closed is opened again."""
    try:
        client.request(method, "/", body=b"word" if method == POST else None)
        response = client.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        return type(error).__name__
    if response.status != 200:
        return str(response.status)
    return "" if not is_routed or response.headers.get(mesh_world.ROUTED_HEADER) == "yes" else "not by the route"

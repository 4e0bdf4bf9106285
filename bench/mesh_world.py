"""A world in which the mesh is measured: the same pods inside of the mesh and outside of it, and clients in them.

shop/client (node-1) -> shop/server (node-2)     enrolled; by a Service without and by one with a route
plain/client (node-1) -> plain/server (node-2)   outside of the mesh
"""

from __future__ import annotations

import contextlib
import multiprocessing
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tests.edge.nginx.process import configuration, program
from tests.world.harness import PODWIRE, Home, World, eventually

from bench.http_load import NoLoadClientError
from bench.isolation import end_with_parent, proportional_set_size
from bench.world import record, running_world
from podwire.lab.host import nsenter, worlds
from podwire.redirection.enrolment import ENABLED, LABEL, REDIRECTED

ResultT = TypeVar("ResultT")

PATIENCE_SECONDS = 120.0
PORT, BODY_BYTES = 8000, 1024
STREAM_BYTES = 1 << 28
ROUTED_HEADER = "x-routed"

NAMESPACES = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{{LABEL}: {ENABLED}}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: plain}}
"""
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: %(namespace)s}
spec: {nodeName: node-1, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: %(namespace)s, labels: {app: server}}
spec: {nodeName: node-2, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Service
metadata: {name: direct, namespace: %(namespace)s}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8000}]}
"""
ROUTED = """
apiVersion: v1
kind: Service
metadata: {name: routed, namespace: shop}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: routed, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: routed}]
  rules:
    - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-routed, value: "yes"}]}}]
      backendRefs: [{name: routed, port: 80}]
"""


@contextlib.contextmanager
def measured_world(home: Home) -> Iterator[World]:
    """Run a world with both pairs of pods; yield it once the mesh serves. Raises NoLoadClientError without nginx."""
    if not program():
        raise NoLoadClientError("nginx is missing: sh tools/peers.sh nginx")
    with running_world(home, nodes=2) as world, contextlib.ExitStack() as servers:
        world.apply("---".join((NAMESPACES, *(PODS % {"namespace": one} for one in ("shop", "plain")), ROUTED)))
        for namespace in ("shop", "plain"):
            world.within(namespace).wait()
            servers.enter_context(_nginx(world, f"{namespace}/server", home.folder / f"nginx-{namespace}"))
        until_redirected(world, 2)
        until_peer(world, "client", "server")
        url = f"http://{cluster_ip(world, 'shop', 'routed')}/"
        words = ("curl", "-s", "-o", "/dev/null", "-m", "5", "-w", f"%header{{{ROUTED_HEADER}}}", url)
        eventually(
            lambda: world.run_in("shop/client", *words, check=False).stdout == "yes", PATIENCE_SECONDS, "the route"
        )
        yield world


@contextlib.contextmanager
def _nginx(world: World, place: str, folder: Path) -> Iterator[None]:
    """Serve 1 KB at `/` and a long body at `/stream` in a pod's network. It ends with its standard input's reader."""
    folder.mkdir()
    (folder / "page").write_bytes(b"x" * BODY_BYTES)
    with (folder / "stream").open("wb") as file:
        file.truncate(STREAM_BYTES)
    paths = "".join(f"location = /{name} {{ root {folder}; }} " for name in ("page", "stream"))
    server = f"server {{ listen {PORT}; {paths} location / {{ rewrite ^ /page last; }} }}"
    options = "access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000;\n"
    (folder / "nginx.conf").write_text(configuration(folder, options + server))
    words = (program(), "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log")
    command = [PODWIRE, "exec", "--name", world.name, place, "--", *words, "-g", "daemon off;"]
    process = subprocess.Popen(command, env=world.home.environment, stdin=subprocess.DEVNULL)
    request = ("curl", "-s", "-o", "/dev/null", "-m", "5", f"http://127.0.0.1:{PORT}/")
    try:
        eventually(lambda: world.run_in(place, *request), PATIENCE_SECONDS, f"nginx in {place}")
        yield
    finally:
        process.terminate()
        process.wait()


def until_redirected(world: World, count: int) -> None:
    """Wait until so many pods of `shop` are led to the Envoys of their nodes."""
    label = ("-n", "shop", "get", "pods", "-l", f"{REDIRECTED}={ENABLED}", "-o", "name")
    eventually(
        lambda: len(world.kubectl(*label).stdout.split()) >= count, PATIENCE_SECONDS, f"{count} pods are redirected"
    )


def until_peer(world: World, client: str, server: str) -> None:
    """Wait until node-1 sends connections of a client to this server by TLS."""
    wanted = [world.jsonpath(f"pod {one}", "{.status.podIP}", "--namespace", "shop") for one in (client, server)]

    def held() -> bool:
        shown = world.run_in("node-1", "nft", "list", "table", "inet", "podwire-redirection", check=False).stdout
        return all(one in shown for one in wanted)

    eventually(held, PATIENCE_SECONDS, f"node-1 has the rows of {client} and {server}")


def cluster_ip(world: World, namespace: str, service: str) -> str:
    """Return the address of a Service."""
    return world.jsonpath(f"service {service}", "{.spec.clusterIP}", "--namespace", namespace)


def in_pod(world: World, pod: str, work: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """Return what a function returns in the network of a pod. Raises RuntimeError where it ends without a result."""
    with Inside(world, pod, work, *arguments) as inside:
        return inside.result()  # type: ignore[no-any-return]


class Inside:
    """A function that runs in the network of a pod, in a process of its own without threads."""

    def __init__(self, world: World, pod: str, work: Callable[..., Any], *arguments: Any) -> None:
        context = multiprocessing.get_context("fork")
        self._name = work.__name__
        self._here, there = context.Pipe()
        known = record(world)
        network = nsenter.place_of(known, pod).network
        self._process = context.Process(target=_run, args=(known, network, there, work, arguments))
        self._process.start()
        there.close()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def end(self) -> None:
        """Let the work come to its end: it polls the first of its arguments, a Connection."""
        self._here.send("end")

    def result(self) -> Any:
        """Wait for what the work returns."""
        try:
            return self._here.recv()
        except EOFError:
            raise RuntimeError(f"{self._name} ended without a result; its error is above") from None


def _run(known: worlds.World, network: str, pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    nsenter.enter(known, network)
    pipe.send(work(pipe, *arguments))


def envoys(world: World) -> tuple[int, ...]:
    """Return the processes of the mesh's Envoys: this world has no others."""
    return tuple(pid for pid, name in world.processes().items() if name == "envoy")


def megabytes_a_node(world: World) -> tuple[float, float]:
    """Return proportional set sizes of an Envoy and of the program that configures it: means of the nodes."""
    found = [tuple(pid for pid, name in world.processes().items() if name == one) for one in ("envoy", MESH_NODE)]
    envoy, program_ = (sum(map(proportional_set_size, pids)) / len(pids) / 1e6 for pids in found)
    return envoy, program_


MESH_NODE = "mesh_instance"
"""The name of its process in a world."""

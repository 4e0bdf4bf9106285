"""Requests that fail while a Gateway and what it serves change under constant load: the goal is none.

Clients are outside of the cluster: one on kept and one on new connections for each family in plain text and by TLS, and
one by HTTP/2. Whatever is no answer of a backend with status 200 counts as failed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.edge.world import gateways
from tests.edge.world.gateways import addresses, answered, apply, get, replies, route, rule, workload
from tests.edge.world.http_clients import Target
from tests.edge.world.load import Load, load
from tests.edge.world.rollouts import names, roll
from tests.world.harness import Home, World, eventually

from bench.figure import Figure
from bench.world import running_world
from podwire.pki.certificates import Authority

HOST = "app.example.com"
PATIENCE_SECONDS = 60.0
AUTHORITY = Authority.create()
BACKENDS = ("web", "other")

Event = Callable[[World, Load, int], None]
"""What happens to a world, so many times."""


def figures(*, quick: bool) -> Iterator[Figure]:
    """One world; each event in turn, and the requests that failed meanwhile."""
    with (
        tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder,
        running_world(Home(Path(folder)), nodes=2) as world,
    ):
        targets = _start(world)
        for name, event in EVENTS.items():
            yield _of_event(world, targets, name, event, 1 if quick else 5)


def _start(world: World) -> tuple[Target, ...]:
    """Return the ways to a Gateway whose route leads to a backend."""
    listeners = (gateways.http(), gateways.https(HOST, "app"))
    apply(world, *(one for name in BACKENDS for one in workload(name, replicas=2)))
    _replace_certificate(world)
    apply(world, gateways.gateway("edge", *listeners))
    _lead_to(world, "web")
    world.wait("default")
    ipv4, ipv6 = sorted(addresses(world, "edge"), key=lambda one: ":" in one)
    answered(world, [(get(ipv4, HOST), "200"), (get(ipv6, HOST, tls=True), "200")])
    return (
        Target(ipv4, 80, HOST),
        Target(ipv6, 443, HOST, tls=True),
        Target(ipv4, 443, HOST, tls=True, h2=True),
    )


def _of_event(world: World, targets: tuple[Target, ...], name: str, event: Event, times: int) -> Figure:
    _lead_to(world, "web")
    with load(world, targets) as clients:
        event(world, clients, times)
    failed = sum(one.failed for one in clients.counts)
    shown = "; ".join((f"of {clients.answers + failed:,} requests", *clients.lost[:3]))
    return Figure(f"Gateway: failed over {name}", failed, "", 0, shown)


def _lead_to(world: World, *backends: str) -> None:
    apply(world, route("app", "edge", HOST, rule("/", *backends)))


def _replace_certificate(world: World) -> None:
    apply(world, gateways.certificate("app", AUTHORITY.server(names=(HOST,), addresses=())))


def _roll(world: World, clients: Load, times: int) -> None:
    for _ in range(times):
        roll(world, "web", "app=web")
    clients.wait_for(names(world, "app=web"))


def _edit(world: World, clients: Load, times: int) -> None:
    for turn in range(4 * times):
        _lead_to(world, BACKENDS[turn % 2])
        _lead_to(world, *BACKENDS)
    clients.wait_for(names(world, "app=other"))


def _rotate(world: World, _: Load, times: int) -> None:
    call = get(addresses(world, "edge")[0], HOST, tls=True)
    shown = {replies(world, call)[0].certificate}
    for _turn in range(times):
        _replace_certificate(world)
        eventually(lambda: replies(world, call)[0].certificate not in shown, PATIENCE_SECONDS, "the new certificate")
        shown.add(replies(world, call)[0].certificate)


def _kill(world: World, _: Load, times: int) -> None:
    address = addresses(world, "edge")[0]
    for turn in range(times):
        world.kill("gateway-controller")
        host = f"turn-{turn}.example.com"
        apply(world, route(f"turn-{turn}", "edge", host, rule("/", "other")))
        answered(world, [(get(address, host), "200")])


EVENTS: dict[str, Event] = {
    "rolling updates of its backends": _roll,
    "edits of its route": _edit,
    "rotations of its certificate": _rotate,
    "kills of its controller": _kill,
}

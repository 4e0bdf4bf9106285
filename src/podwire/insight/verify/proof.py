"""Prove expectations in a running world: read its objects, send packets from its pods, judge what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from podwire.insight.snapshot import live
from podwire.insight.snapshot.ends import EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.target import Target
from podwire.insight.verify import packets
from podwire.insight.verify.borrowed_addresses import borne
from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.judgement import Line, judge
from podwire.insight.verify.outcome import Attempt, Outcome, Seen
from podwire.insight.verify.places import OUTSIDE, places
from podwire.insight.verify.plan import Plan, controls, plans
from podwire.insight.verify.question import question
from podwire.kube.client import Client
from podwire.kube.core import Pod
from podwire.kube.kinds import PODS
from podwire.lab.host import credentials, nsenter
from podwire.lab.host.worlds import World
from podwire.lab.network.topology import Topology

Progress = Callable[[str], None]
RETRY_SECONDS = 5.0
"""Rows of a new pod or Service may reach another node a moment after it is ready: what is missing is tried again."""
MESH_SECONDS = 20.0
"""The same where Envoys receive policies, certificates and pods one after the other."""
PAUSE_SECONDS = 0.2
_NOT_YET = frozenset({Outcome.SILENT, Outcome.CUT, Outcome.REJECTED, Outcome.UNREACHABLE})


def prove(world: World, expectations: Sequence[Expectation], report: Progress) -> tuple[Snapshot, tuple[Line, ...]]:
    """Return the world's objects, and a line for each expectation in their order.

    Raises PlanError, UnreachableError and WorldError.
    """
    found, pods = Target(credentials.of_host(world), world).read(live_objects)
    snapshot = msgspec.structs.replace(found, default_deny=world.default_deny)
    planned = plans(expectations, snapshot, places(snapshot, pods, world.nodes))
    count = sum(len(one.connections) for one in planned)
    report(f"trying {count} connections with real packets")
    seen, alive = _tried(world, planned, _borrowed(expectations, snapshot))
    return snapshot, tuple(judge(one, found, alive) for one, found in zip(planned, seen, strict=True))


async def live_objects(client: Client) -> tuple[Snapshot, tuple[Pod, ...]]:
    """Read what decides connections, and pods with their networks."""
    snapshot, pods = await asyncio.gather(live.read(client), client.list(PODS))
    return snapshot, tuple(pods.items)


def _borrowed(expectations: Sequence[Expectation], snapshot: Snapshot) -> tuple[str, ...]:
    """The addresses of no pod, node or Service that are connected to."""
    ends = (question(one, snapshot).server for one in expectations)
    return tuple(dict.fromkeys(str(one.address) for one in ends if one.kind is EndKind.ADDRESS))


def _tried(world: World, planned: Sequence[Plan], borrowed: Sequence[str]) -> tuple[list[list[Seen]], dict[str, bool]]:
    """Return what was seen of each plan's connections, and which pods answered their own node."""
    checks = controls(planned)
    attempts = [connection.attempt for plan in planned for connection in plan.connections]
    found = _sent(world, [*attempts, *checks.values()], borrowed)
    seen = iter(found[: len(attempts)])
    alive = {address: one.outcome.is_passed for address, one in zip(checks, found[len(attempts) :], strict=True)}
    return [[next(seen) for _ in plan.connections] for plan in planned], alive


def _sent(world: World, attempts: Sequence[Attempt], borrowed: Sequence[str]) -> list[Seen]:
    topology = Topology(nodes=world.nodes)

    def work() -> str:
        with borne(borrowed, topology):
            return msgspec.json.encode(_rounds(attempts)).decode()

    return msgspec.json.decode(nsenter.computed(world, OUTSIDE, work), type=list[Seen])


def _rounds(attempts: Sequence[Attempt]) -> list[Seen]:
    began = time.monotonic()
    seen = packets.run(attempts)
    patience = MESH_SECONDS if any(one.relay is not None for one in attempts) else RETRY_SECONDS
    while (missing := list(_missing(attempts, seen))) and time.monotonic() - began < patience:
        time.sleep(PAUSE_SECONDS)
        for number, again in zip(missing, packets.run([attempts[one] for one in missing]), strict=True):
            seen[number] = again
    return seen


def _missing(attempts: Sequence[Attempt], seen: Sequence[Seen]) -> Iterator[int]:
    """Yield what may be for a moment only: what is hoped for and did not come, what the mesh still lets pass."""
    for number, (attempt, one) in enumerate(zip(attempts, seen, strict=True)):
        if one.outcome in _NOT_YET if attempt.is_hoped else attempt.relay is not None and one.outcome.is_passed:
            yield number

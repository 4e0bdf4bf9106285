"""The connections that prove an expectation, and what the model answers for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.snapshot.endpoints import selected
from podwire.insight.snapshot.ends import End, EndError, EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.insight.verify import mesh_part
from podwire.insight.verify.destinations import Destination, destinations, from_outside
from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.outcome import Attempt
from podwire.insight.verify.places import Place, Places
from podwire.insight.verify.question import question
from podwire.kube.addresses import parsed
from podwire.lab.base import paths
from podwire.policy.verdict import verdict

MOST_PODS = 4
"""Of one workload: its pods are the same to policies; a few of them, on different nodes, are tried."""
CONTROL_PORT = 1


class Connection(msgspec.Struct, frozen=True):
    """One connection to try. `is_modelled` is the model's verdict; None where endpoints differ or it has none."""

    source: Place
    destination: Destination
    attempt: Attempt
    is_modelled: bool | None


class Plan(msgspec.Struct, frozen=True):
    """An expectation with its connections; `problem` is why there are none."""

    expectation: Expectation
    connections: tuple[Connection, ...] = ()
    problem: str = ""


class PlanError(Exception):
    """Names of the file mean nothing in the world: one line each, with FILE:LINE."""


def plans(expectations: Iterable[Expectation], snapshot: Snapshot, places: Places) -> tuple[Plan, ...]:
    """Return the plan of each expectation. Raises PlanError with all names that mean nothing."""
    found: list[Plan] = []
    wrong: dict[str, None] = {}
    for one in expectations:
        try:
            found.append(_plan(one, snapshot, places))
        except EndError as error:
            wrong[f"{one.place}: {error}"] = None
    if wrong:
        raise PlanError("\n".join(wrong))
    return tuple(found)


def controls(plans: Iterable[Plan]) -> dict[str, Attempt]:
    """Connections that show that silence means something: to each pod of a deny from its own node, by pod's address.

    A node reaches its own pods whatever policies are.
    """
    found: dict[str, Attempt] = {}
    for plan in plans:
        for one in plan.connections if not plan.expectation.is_allowed else ():
            for place in (one.source, *one.destination.places):
                address = place.address(_version(one.destination.address))
                if place.is_pod and address:
                    found[address] = Attempt(str(paths.network(place.node)), address, CONTROL_PORT)
    return found


def _plan(one: Expectation, snapshot: Snapshot, places: Places) -> Plan:
    ends = question(one, snapshot)
    client, server = ends.client, ends.server
    sources = _sources(client, snapshot, places)
    leads = from_outside if client.kind is EndKind.OUTSIDE else destinations
    found = leads(server, ends.port, one.protocol, snapshot, places)
    problem = next((two.problem for two in found if two.problem), "")
    if not sources or not found or problem:
        return Plan(one, problem=problem or _absent(one, server, is_sender=bool(sources)))
    chosen = _chosen(found)
    connections = tuple(_connections(one, sources, chosen, places))
    return Plan(one, connections, "" if connections else "both ends have no address of the same version of IP")


def _absent(one: Expectation, server: End, *, is_sender: bool) -> str:
    if is_sender and server.kind is EndKind.OUTSIDE:
        return "the host 'outside' is one of worlds: on a cluster write an IP address that answers"
    return f"no pod of {one.destination if is_sender else one.source} runs"


def _sources(end: End, snapshot: Snapshot, places: Places) -> tuple[Place, ...]:
    match end.kind:
        case EndKind.PODS:
            return _pods(((one, end.pod) for one in end.workloads), places)
        case EndKind.SERVICE if end.service is not None and end.address is None:
            return _pods(((one, None) for one in selected(end.service, snapshot)), places)
        case EndKind.NODE if end.node is not None:
            return (places.nodes[end.node.metadata.name],)
        case EndKind.OUTSIDE:
            return (places.outside,)
        case _:
            raise EndError(f"from {end.text}: packets are sent from pods, nodes and 'outside': write one of them")


def _pods(found: Iterable[tuple[Workload, PodPlace | None]], places: Places) -> tuple[Place, ...]:
    """Return a few pods of these workloads, or of each the one that is meant."""
    named = (
        f"{workload.namespace}/{each.name}"
        for workload, pod in found
        for each in (workload.pods if pod is None else (pod,))
    )
    return _spread([places.pods[key] for key in named if key in places.pods])


def _spread(found: Sequence[Place]) -> tuple[Place, ...]:
    """A few of the pods, from as many nodes as possible."""
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, Place]] = []
    for number, one in enumerate(found):
        rank = seen[one.node] = seen.get(one.node, -1) + 1
        ranked.append((rank, number, one))
    return tuple(one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])[:MOST_PODS])


def _chosen(found: Sequence[Destination]) -> tuple[Destination, ...]:
    """The destinations, of many pods a few."""
    every = {place.name: place for one in found for place in one.places}
    kept = {place.name for place in _spread(list(every.values()))}
    return tuple(one for one in found if len(one.places) != 1 or one.places[0].name in kept)


def _connections(
    one: Expectation, sources: Sequence[Place], found: Sequence[Destination], places: Places
) -> Iterator[Connection]:
    """Yield every pair; a pod with itself only where there is no other pair."""
    pairs = [
        (source, three)
        for source in sources
        for two in found
        if not source.addresses or source.address(_version(two.address))
        for three in _beside(source, two, places)
    ]
    others = [(source, two) for source, two in pairs if two.address not in source.addresses]
    for source, two in others or pairs:
        modelled = _modelled(source, two, places)
        arrivals = tuple({place.network for place in two.places})
        hoped = one.is_allowed and modelled is not False
        yield Connection(
            source,
            two,
            Attempt(
                source.network,
                two.address,
                two.port,
                two.protocol,
                arrivals,
                hoped,
                two.is_translated,
                mesh_part.relay(source, source.address(_version(two.address)), two, places),
            ),
            modelled,
        )


def _beside(source: Place, destination: Destination, places: Places) -> Iterator[Destination]:
    """Yield the destination; of a Service that the source itself is behind the other endpoints.

    Such a Service may lead a pod to itself, which it always reaches.
    """
    if not destination.is_translated or not any(address in source.addresses for address, _ in destination.endpoints):
        yield destination
        return
    for address, port in destination.endpoints:
        behind = tuple(one for one in places.pods.values() if address in one.addresses)
        yield Destination(destination.name, address, port, destination.protocol, behind, ((address, port),))


def _modelled(source: Place, destination: Destination, places: Places) -> bool | None:
    """Return the model's verdict; through a Service that of all its endpoints, where it is the same."""
    if not source.is_pod and not source.node:
        return None  # the addresses that clients outside have at a pod depend on the way
    if destination.is_translated and _node_of(destination.address, places) not in ("", source.node):
        return None  # so do those of clients on one node at the port of another
    own = source.address(_version(destination.address))
    here = places.party(own)
    found: set[bool | None] = set()
    for address, port in destination.endpoints:
        of_mesh = mesh_part.modelled(source, own, (address, port), destination.protocol, places)
        admitted = verdict(places.view, here, places.party(address), destination.protocol, port).allowed
        is_open = None if of_mesh is Verdict.UNDECIDABLE else of_mesh is Verdict.ALLOWED
        found.add(admitted and is_open)
    return found.pop() if len(found) == 1 else None


def _node_of(address: str, places: Places) -> str:
    return next((one.node for one in places.nodes.values() if address in one.addresses), "")


def _version(address: str) -> int:
    found = parsed(address)
    return found.version if found is not None else 0

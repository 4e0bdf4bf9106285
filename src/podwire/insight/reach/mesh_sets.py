"""What the mesh closes between classes of pods, judged as `podwire explain` judges one connection. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies.ends import Client
from podwire.insight.mesh_policies.judgement import verdict_of
from podwire.insight.reach.address_sets import AddressSets
from podwire.insight.reach.mesh_ends import NO_WORKLOAD, TCP, MeshEnds
from podwire.insight.reach.pod_classes import Classes, PodGroup
from podwire.insight.reach.port_sets import PortSets
from podwire.insight.reach.selector_sets import bits
from podwire.policy.intervals import Interval
from podwire.policy.model import LAST_PORT, IPAddress, IPNetwork, Ports

Shut = tuple[tuple[int, int], ...]
"""Sets of ports, each with the sources to whom these are closed. Sorted: equal ones are equal."""


class Closed(msgspec.Struct, frozen=True):
    """By destination what is closed for sure, and what is not certainly open."""

    surely: Mapping[int, Shut] = {}
    perhaps: Mapping[int, Shut] = {}


class Scene(msgspec.Struct, frozen=True):
    """The axis of a family. `outside`: the parts of addresses outside; `ranges`: of pods without an address."""

    family: int
    groups: Sequence[PodGroup]
    classes: Classes
    blocks: AddressSets
    outside: Sequence[tuple[Interval, ...]]
    ranges: Sequence[IPNetwork]


class _Sender(msgspec.Struct, frozen=True):
    """A client, and all sources that are the same to the mesh."""

    client: Client
    sources: int


def closed(ends: MeshEnds, scene: Scene, ports: PortSets) -> Closed:
    """Return what the mesh closes in a family."""
    restricted = frozenset(ends.restricted())
    senders = _senders(ends, scene) if restricted else ()
    made = {number: _shut(ends, number, senders, ports) for number in restricted}
    classes = [(index, one.mesh) for index, one in enumerate(scene.classes.found) if one.mesh in restricted]
    surely, perhaps = (
        {index: made[number][kind] for index, number in classes if made[number][kind]} for kind in (0, 1)
    )
    return Closed(surely, perhaps)


def _shut(ends: MeshEnds, number: int, senders: Sequence[_Sender], ports: PortSets) -> tuple[Shut, Shut]:
    """Judge all senders on each port that rules name, and on one in place of all others."""
    named = ends.ports_of(number)
    masks = {port: ports.mask(Ports(TCP, port, port)) for port in named}
    rest = ports.mask(Ports(TCP))
    for mask in masks.values():
        rest &= ~mask
    other = next(one for one in range(LAST_PORT, 0, -1) if one not in named)
    surely, perhaps = dict[int, int](), dict[int, int]()
    for sender in senders:
        found: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
        for port, mask in ((other, rest), *masks.items()):
            found[verdict_of(sender.client, ends.found[number], port, ends.mesh)] |= mask
        for mask, kept in (
            (found[Verdict.NOT_ALLOWED], surely),
            (found[Verdict.NOT_ALLOWED] | found[Verdict.UNDECIDABLE], perhaps),
        ):
            if mask:
                kept[mask] = kept.get(mask, 0) | sender.sources
    return tuple(sorted(surely.items())), tuple(sorted(perhaps.items()))


def _senders(ends: MeshEnds, scene: Scene) -> tuple[_Sender, ...]:
    blocks = ends.blocks()
    read = bits(scene.blocks.numbers[one] for one in blocks)
    networks = tuple(one.network for one in blocks if one.network.version == scene.family)
    grouped: dict[tuple[object, ...], tuple[Client, list[int]]] = {}
    for index, one in enumerate(scene.classes.found):
        place = one.place(scene.family)
        if not place.exists:
            continue
        key = (one.mesh, one.identity is None, place.held & read, place.undecided & read)
        if key not in grouped:
            addresses = tuple(map(str, _addresses(index, scene, networks)))
            workload = ends.found[one.mesh] if one.mesh != NO_WORKLOAD else None
            grouped[key] = Client(workload, addresses, one.identity is None), []
        grouped[key][1].append(index)
    first = len(scene.classes.found)
    outside = (
        _Sender(Client(None, (str(_address(part[0][0], scene.family)),)), 1 << first + number)
        for number, part in enumerate(scene.outside)
    )
    return (*(_Sender(client, bits(found)) for client, found in grouped.values()), *outside)


def _addresses(index: int, scene: Scene, networks: Sequence[IPNetwork]) -> Iterator[IPAddress]:
    """Yield addresses that pods of a class may have: that of one of them, or of no range and one of each."""
    place = scene.classes.found[index].place(scene.family)
    for group in scene.classes.members[index]:
        for address in (one for found in scene.groups[group].addresses for one in found):
            if address.version == scene.family and scene.blocks.holding(address) == place.held:
                yield address
                return
    ranges = scene.ranges or [ipaddress.ip_network("0.0.0.0/0" if scene.family == 4 else "::/0")]
    for one in ranges:
        yield next((last for last in (one[-2], one[1]) if not any(last in each for each in networks)), one[1])
        for network in networks:
            if network.overlaps(one):
                yield max(network.network_address, one.network_address, key=int)


def _address(number: int, family: int) -> IPAddress:
    return ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number)

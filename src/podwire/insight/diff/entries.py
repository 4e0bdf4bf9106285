"""The ways to pods that Services, Ingresses and routes have in one of two states only. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.diff.report import Effect, EntryLine
from podwire.insight.snapshot import endpoints
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.services import EXPOSED_TYPES, Service


class Entry(msgspec.Struct, frozen=True, order=True):
    """One way: `Service shop/web 80/TCP` leads to `Deployment shop/web port 8080`."""

    kind: str
    name: str
    entry: str
    target: str


Places = dict[Entry, str]
"""Entries, and where each is written."""


def differences(old: Places, new: Places) -> tuple[EntryLine, ...]:
    """Return the entries of one state only."""
    lines = [
        EntryLine(effect, one.kind, one.name, one.entry, one.target, places[one])
        for effect, places, other in ((Effect.OPENED, new, old), (Effect.CLOSED, old, new))
        for one in places
        if one not in other
    ]
    return tuple(sorted(lines, key=lambda one: (one.kind != "Service", one.kind, one.name, one.entry, one.effect)))


def of_services(snapshot: Snapshot) -> Places:
    """Return the ports of all Services with what is behind each, and those that clients outside reach."""
    found: Places = {}
    for service in snapshot.services:
        name = str(service.key)
        if service.spec.type == "ExternalName":
            place = snapshot.place("Service", service.key, "spec", "externalName")
            found[Entry("Service", name, "its name", f"alias of {service.spec.external_name}")] = place
            continue
        for index, port in enumerate(service.spec.ports):
            place = snapshot.place("Service", service.key, "spec", "ports", index)
            entry = f"{port.port}/{port.protocol}"
            for one in endpoints.backings(service, port, snapshot):
                if one.port is not None:
                    who = str(one.workload.owner) if one.workload else ", ".join(one.addresses)
                    found[Entry("Service", name, entry, f"{who} port {one.port}")] = place
            for how in _exposures(service):
                found[Entry("Service", name, f"{entry} from outside", how)] = place
    return found


def _exposures(service: Service) -> Iterator[str]:
    if service.spec.type in EXPOSED_TYPES:
        yield f"type {service.spec.type}"
    if service.spec.external_ips:
        yield f"externalIPs {', '.join(service.spec.external_ips)}"

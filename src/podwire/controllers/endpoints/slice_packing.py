"""Endpoints packed into EndpointSlices with as few changes as possible. Pure.

Source: kubernetes `staging/src/k8s.io/endpointslice/reconciler.go`; at most 100 endpoints a slice, as upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.endpoints.zone_allocation import Draft
from podwire.controllers.machinery.owner_references import reference
from podwire.kube.discovery import HEADLESS_LABEL, SERVICE_NAME_LABEL, Endpoint, EndpointSlice
from podwire.kube.kinds import SERVICES

if TYPE_CHECKING:
    from podwire.controllers.endpoints.from_pods import Ports
    from podwire.kube.services import Service

MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
LARGEST_SLICE = 100


class Content(msgspec.Struct, frozen=True):
    """What a slice holds besides its name."""

    address_type: str
    ports: Ports
    endpoints: tuple[Endpoint, ...]


class Plan(msgspec.Struct, frozen=True):
    """What to write. Slices are created and updated before others are deleted: no endpoint disappears meanwhile."""

    create: tuple[Content, ...] = ()
    update: tuple[tuple[EndpointSlice, Content], ...] = ()
    delete: tuple[EndpointSlice, ...] = ()


class _Bin(msgspec.Struct):
    """A slice while it is being packed; `existing` is None for a new one."""

    existing: EndpointSlice | None
    endpoints: list[Endpoint] = msgspec.field(default_factory=list)


Hints = Callable[[str, Sequence[Draft]], Sequence[tuple[Endpoint, ...]]]
"""Takes the family and its drafts, returns the endpoints of each draft with their hints."""


def plan(
    desired: Mapping[str, Mapping[Ports, Sequence[Endpoint]]],
    existing: Sequence[EndpointSlice],
    current: Callable[[EndpointSlice], bool],
    *,
    largest: int = LARGEST_SLICE,
    hints: Hints | None = None,
) -> Plan:
    """Return the writes from existing slices to the desired endpoints, by family and ports. No family: delete all.

    `current` decides whether the metadata of a slice is as desired. With `hints`, endpoints keep the hints that they
    have in their slice until that changes them. A family without endpoints keeps one empty slice, so that "no
    endpoints" differs from "not reconciled yet".
    """
    creates: list[Content] = []
    updates: list[tuple[EndpointSlice, Content]] = []
    spare = [s for s in existing if s.address_type not in desired]
    for address_type, groups in desired.items():
        slices = [s for s in existing if s.address_type == address_type]
        filled, unused = _pack(groups, slices, largest, keep_hints=hints is not None)
        contents = [(b.existing, Content(address_type, ports, tuple(b.endpoints))) for ports, b in filled]
        if hints is not None:
            contents = _hinted(address_type, contents, hints)
        contents = contents or [(None, Content(address_type, (), ()))]
        for old, content in contents:
            reused = old or (unused.pop(0) if unused else None)
            if reused is None:
                creates.append(content)
            elif not (current(reused) and _same(reused, content)):
                updates.append((reused, content))
        spare += unused
    return Plan(tuple(creates), tuple(updates), tuple(spare))


def _hinted(
    family: str, contents: Sequence[tuple[EndpointSlice | None, Content]], hints: Hints
) -> list[tuple[EndpointSlice | None, Content]]:
    drafts = [Draft(content.endpoints, old is not None and _same(old, content)) for old, content in contents]
    hinted = hints(family, drafts)
    return [
        (old, Content(family, content.ports, endpoints))
        for (old, content), endpoints in zip(contents, hinted, strict=True)
    ]


def _same(existing: EndpointSlice, content: Content) -> bool:
    """Return whether a slice holds this content already."""
    return existing.ports == content.ports and existing.endpoints == content.endpoints


def labels(service: Service) -> dict[str, str]:
    """Return the Service's labels, and those by which its slices are found."""
    reserved = {SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL}
    own = {key: value for key, value in service.metadata.labels.items() if key not in reserved}
    headless = {HEADLESS_LABEL: ""} if service.headless else {}
    return {**own, **headless, SERVICE_NAME_LABEL: service.metadata.name, MANAGED_BY_LABEL: MANAGER}


def body(service: Service, content: Content) -> dict[str, Any]:
    """Return a Service's slice as JSON, without name and version."""
    return document(service.metadata.namespace, labels(service), reference(SERVICES, service), content)


def document(namespace: str, labels: Mapping[str, str], owner: dict[str, Any], content: Content) -> dict[str, Any]:
    """Return a slice as JSON, without name and version; `owner` is its owner reference."""
    return {
        "metadata": {"namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "addressType": content.address_type,
        "endpoints": [msgspec.to_builtins(endpoint) for endpoint in content.endpoints],
        "ports": [
            {"name": port.name, "protocol": port.protocol, "port": port.port}
            | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
            for port in content.ports
        ],
    }


def _pack(
    groups: Mapping[Ports, Sequence[Endpoint]], existing: Iterable[EndpointSlice], largest: int, *, keep_hints: bool
) -> tuple[list[tuple[Ports, _Bin]], list[EndpointSlice]]:
    """Return bins with endpoints, and unused slices. An endpoint stays in its slice."""
    filled: list[tuple[Ports, _Bin]] = []
    slices = sorted(existing, key=lambda s: s.metadata.name)
    for ports, endpoints in groups.items():
        left = {_identity(endpoint): endpoint for endpoint in endpoints}
        bins = []
        for old in (s for s in slices if s.ports == ports):
            stay = [left.pop(_identity(e)) for e in old.endpoints if _identity(e) in left]
            if keep_hints:
                stay = _with_hints_of(old, stay)
            bins.append(_Bin(old, stay[:largest]))
            left.update({_identity(e): e for e in stay[largest:]})
        _fill(bins, list(left.values()), largest)
        filled += [(ports, packed) for packed in bins if packed.endpoints]
    used = {packed.existing.metadata.name for _, packed in filled if packed.existing}
    return filled, [s for s in slices if s.metadata.name not in used]


def _with_hints_of(old: EndpointSlice, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return the endpoints with the hints that they have in a slice, as far as they are ready."""
    known = {_identity(endpoint): endpoint.hints for endpoint in old.endpoints}
    return [
        msgspec.structs.replace(endpoint, hints=known[_identity(endpoint)]) if endpoint.ready else endpoint
        for endpoint in endpoints
    ]


def _fill(bins: list[_Bin], left: list[Endpoint], largest: int) -> None:
    """Put new endpoints into slices that change anyway, then into others with room, then into new ones."""
    for packed in sorted(bins, key=_unchanged):
        room = largest - len(packed.endpoints)
        packed.endpoints += left[:room]
        del left[:room]
    bins.extend(_Bin(None, left[at : at + largest]) for at in range(0, len(left), largest))


def _unchanged(packed: _Bin) -> bool:
    return packed.existing is not None and tuple(packed.endpoints) == packed.existing.endpoints


def _identity(endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
    return (endpoint.target_ref.uid if endpoint.target_ref else ""), endpoint.addresses

"""Endpoints of the core group: the older form of EndpointSlices. Source: k8s.io/api `core/v1` Endpoints."""

from __future__ import annotations

from podwire.kube.discovery import ObjectReference
from podwire.kube.meta import Object, Struct


class EndpointAddress(Struct, frozen=True):
    """One backend."""

    ip: str
    hostname: str = ""
    node_name: str = ""
    target_ref: ObjectReference | None = None


class EndpointsPort(Struct, frozen=True):
    """A port of all addresses of a subset."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None


class EndpointSubset(Struct, frozen=True):
    """Addresses with the same ports."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointsPort, ...] = ()


class Endpoints(Object, frozen=True):
    """All backends of the Service of the same name, of its first family."""

    subsets: tuple[EndpointSubset, ...] = ()

"""Requests and responses of delta xDS as values, and what became of a resource."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.xds.resource import Key, Resource


class Request(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryRequest (envoy/service/discovery/v3/discovery.proto)."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = {}
    nonce: str = ""
    error: str = ""
    """What Envoy refuses in the response with this nonce; empty for an acknowledgement."""


class Response(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryResponse."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """A resource that Envoy has acknowledged in this version, refuses for this reason, or has removed (no version)."""

    key: Key
    version: str
    reason: str = ""

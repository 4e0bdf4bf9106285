"""Messages of Envoy: serialised as resources, inside `Any`, and the values that many of them share."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from envoy.config.core.v3 import base_pb2, config_source_pb2
from google.protobuf import any_pb2, duration_pb2

from podwire.edge.xds.resource import Key, Resource

INVALID_CLUSTER = "invalid"
"""A name that no cluster has: of a share that has no backend."""


def resource(
    type_url: str, name: str, message: Any, requires: tuple[Key, ...] = (), warms: tuple[Key, ...] = ()
) -> Resource:
    """Return the message as a resource; its version is a digest of its bytes, the same in every replica."""
    body = message.SerializeToString(deterministic=True)
    return Resource(type_url, name, hashlib.blake2b(body, digest_size=8).hexdigest(), body, requires, warms)


def packed(message: Any) -> Any:
    """Return the message inside `Any`."""
    body = message.SerializeToString(deterministic=True)
    return any_pb2.Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=body)


@functools.cache
def ads() -> Any:
    """Return the source of what is delivered on the stream of its user."""
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
    )


def duration(seconds: float) -> Any:
    """Return a Duration."""
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=round((seconds - whole) * 1_000_000) * 1_000)


def extension(name: str, message: Any) -> Any:
    """Return a TypedExtensionConfig."""
    from envoy.config.core.v3 import extension_pb2

    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message))


def transport_socket(message: Any) -> Any:
    """Return a TLS transport socket with this context."""
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(message))

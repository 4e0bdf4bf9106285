"""A client certificate that Envoy requests when a connection needs it: by the client's address.

Sources: envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3/config.proto and
cert_mappers/filter_state_override/v3/config.proto. The package xds-protos lacks these messages; they are made from
their descriptions here.
"""

from __future__ import annotations

import functools
from typing import Any

from envoy.config.core.v3 import config_source_pb2, extension_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from podwire.edge.envoy.message import ads, extension

SECRET_KEY = "envoy.tls.certificate_mappers.on_demand_secret"  # noqa: S105  the name of a filter state
"""The filter state that has the name of the secret."""
NO_SECRET = "none"  # noqa: S105
"""A name that no secret has."""

_TLS = "envoy.extensions.transport_sockets.tls"
_SELECTOR, _MAPPER = f"{_TLS}.cert_selectors.on_demand_secret.v3", f"{_TLS}.cert_mappers.filter_state_override.v3"
_FIELD = descriptor_pb2.FieldDescriptorProto


def selector() -> Any:
    """Return what chooses the certificate of a connection to another node: the secret that filter state names."""
    mapper = _message(_MAPPER)(default_value=NO_SECRET)
    made = _message(_SELECTOR)(
        config_source=ads(), certificate_mapper=extension("envoy.tls.upstream_certificate_mappers", mapper)
    )
    return extension("envoy.tls.certificate_selectors.on_demand_secret", made)


@functools.cache
def _messages() -> dict[str, Any]:
    """Return the class of each message by its package."""
    pool = descriptor_pool.Default()
    for package, fields, needs in (
        (
            _SELECTOR,
            (_nested("config_source", 1, "ConfigSource"), _nested("certificate_mapper", 2, "TypedExtensionConfig")),
            (config_source_pb2, extension_pb2),
        ),
        (_MAPPER, (_FIELD(name="default_value", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL),), ()),
    ):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"podwire/{package}.proto",
            package=package,
            syntax="proto3",
            dependency=[one.DESCRIPTOR.name for one in needs],
            message_type=[descriptor_pb2.DescriptorProto(name="Config", field=fields)],
        )
        pool.Add(file)
    return {
        package: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Config"))
        for package in (_SELECTOR, _MAPPER)
    }


def _nested(name: str, number: int, kind: str) -> Any:
    type_name = f".envoy.config.core.v3.{kind}"
    label = _FIELD.LABEL_OPTIONAL
    return _FIELD(name=name, number=number, type=_FIELD.TYPE_MESSAGE, type_name=type_name, label=label)


def _message(package: str) -> Any:
    return _messages()[package]

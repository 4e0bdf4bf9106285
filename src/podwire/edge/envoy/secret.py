"""Certificates and authorities (SDS)."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from podwire.edge.envoy.message import resource
from podwire.edge.model.tls import Authorities, Certificate
from podwire.edge.xds.resource import SECRET, Key, Resource


def certificate(row: Certificate) -> Resource:
    """Return the resource of a certificate with its key."""
    pair = common_pb2.TlsCertificate(certificate_chain=_inline(row.chain), private_key=_inline(row.key))
    return resource(SECRET, row.name, secret_pb2.Secret(name=row.name, tls_certificate=pair))


def authorities(row: Authorities) -> Resource:
    """Return the resource of the authorities that peers are verified with."""
    context = common_pb2.CertificateValidationContext(trusted_ca=_inline(row.bundle))
    return resource(SECRET, row.name, secret_pb2.Secret(name=row.name, validation_context=context))


def key(row: Certificate | Authorities) -> Key:
    """Return type and name of the resource."""
    return SECRET, row.name


def _inline(text: str) -> Any:
    return base_pb2.DataSource(inline_string=text)

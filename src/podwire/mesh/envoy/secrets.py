"""Certificates and trust bundles for Envoy (SDS): each identity's leaf by its SPIFFE id, and `trust-bundle`."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from podwire.edge.envoy.message import resource
from podwire.edge.xds.resource import SECRET, Resource
from podwire.mesh.identity.certificate import TRUST_BUNDLE, Leaf, TrustBundle
from podwire.pki.certificates import KeyPair


def leaf(one: Leaf, name: str = "") -> Resource:
    """Return the secret of an identity's certificate and key, by its id or by another name."""
    return pair(name or str(one.id), KeyPair(one.chain.encode(), one.key.encode()))


def pair(name: str, one: KeyPair) -> Resource:
    """Return the secret of a certificate and its key."""
    content = common_pb2.TlsCertificate(
        certificate_chain=_inline(one.certificate.decode()), private_key=_inline(one.key.decode())
    )
    return resource(SECRET, name, secret_pb2.Secret(name=name, tls_certificate=content))


def trust_bundle(one: TrustBundle) -> Resource:
    """Return the secret that peers are verified with: their chain, and whether their leaf is revoked.

    It has no match of names: of several in a combined context one is enough. Who uses it must set one itself.
    """
    context = common_pb2.CertificateValidationContext(trusted_ca=_inline(one.roots))
    if one.revocations:
        context.crl.CopyFrom(_inline(one.revocations))
        context.only_verify_leaf_cert_crl = True
    return resource(SECRET, TRUST_BUNDLE, secret_pb2.Secret(name=TRUST_BUNDLE, validation_context=context))


def _inline(text: str) -> Any:
    return base_pb2.DataSource(inline_string=text)

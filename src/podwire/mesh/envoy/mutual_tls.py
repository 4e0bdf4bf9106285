"""TLS 1.3 between the Envoys of two nodes, each with the certificate of the pod for which it connects or accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2

from podwire.edge.envoy.message import ads
from podwire.mesh.envoy import on_demand_certificate
from podwire.mesh.identity.certificate import TRUST_BUNDLE
from podwire.mesh.identity.spiffe import SCHEME, Spiffe

_ONLY = common_pb2.TlsParameters(
    tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
    tls_maximum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
)


def client(trust_domain: str, protocols: Iterable[str] = ()) -> Any:
    """Return the context of connections to other nodes.

    The certificate is that of the client pod; the server's id must be of the trust domain, and the one that filter
    state names. `protocols` are offered (ALPN). Sessions are not resumed: one would have the identity of another
    client.
    """
    common = _common(trust_domain)
    common.alpn_protocols.extend(protocols)
    common.custom_tls_certificate_selector.CopyFrom(on_demand_certificate.selector())
    context = tls_pb2.UpstreamTlsContext(common_tls_context=common)
    context.max_session_keys.value = 0
    return context


def server(trust_domain: str, identity: Spiffe) -> Any:
    """Return the context of connections from other nodes to the pods of an identity. Sessions are not resumed."""
    common = _common(trust_domain)
    common.tls_certificate_sds_secret_configs.append(secret(str(identity)))
    context = tls_pb2.DownstreamTlsContext(common_tls_context=common, disable_stateless_session_resumption=True)
    context.require_client_certificate.value = True
    context.disable_stateful_session_resumption = True
    return context


def _common(trust_domain: str) -> Any:
    members = common_pb2.SubjectAltNameMatcher(
        san_type=common_pb2.SubjectAltNameMatcher.URI,
        matcher=string_pb2.StringMatcher(prefix=f"{SCHEME}{trust_domain}/"),
    )
    checked = common_pb2.CertificateValidationContext(match_typed_subject_alt_names=[members])
    combined = tls_pb2.CommonTlsContext.CombinedCertificateValidationContext(
        default_validation_context=checked, validation_context_sds_secret_config=secret(TRUST_BUNDLE)
    )
    return tls_pb2.CommonTlsContext(tls_params=_ONLY, combined_validation_context=combined)


def secret(name: str) -> Any:
    """Return a reference to a secret (SDS)."""
    return secret_pb2.SdsSecretConfig(name=name, sds_config=ads())

"""TLS contexts towards clients and towards backends; certificates come as secrets."""

from __future__ import annotations

from typing import Any

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.quic.v3 import quic_transport_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2

from podwire.edge.envoy.message import ads, packed
from podwire.edge.model.tls import BackendTls, ClientValidation, ServerTls, SubjectName
from podwire.edge.xds.resource import SECRET, Key

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
HTTP3 = ("h3",)
VERSIONS = {
    "": common_pb2.TlsParameters.TLS_AUTO,
    "1.0": common_pb2.TlsParameters.TLSv1_0,
    "1.1": common_pb2.TlsParameters.TLSv1_1,
    "1.2": common_pb2.TlsParameters.TLSv1_2,
    "1.3": common_pb2.TlsParameters.TLSv1_3,
}
SUBJECTS = {
    "DNS": common_pb2.SubjectAltNameMatcher.DNS,
    "Hostname": common_pb2.SubjectAltNameMatcher.DNS,
    "URI": common_pb2.SubjectAltNameMatcher.URI,
}


def server(tls: ServerTls, protocols: tuple[str, ...]) -> Any:
    """Return the context of a listener; `protocols` are those of ALPN."""
    common = tls_pb2.CommonTlsContext(
        tls_params=_parameters(tls),
        alpn_protocols=protocols,
        tls_certificate_sds_secret_configs=[_secret(name) for name in tls.certificates],
    )
    if tls.authorities:
        optional = tls.validation is ClientValidation.OPTIONAL
        trust = common_pb2.CertificateValidationContext.ACCEPT_UNTRUSTED if optional else None
        default = common_pb2.CertificateValidationContext(trust_chain_verification=trust)
        if tls.depth:
            default.max_verify_depth.value = tls.depth + 1  # Envoy counts that of the authority too
        common.combined_validation_context.CopyFrom(_validation(default, tls.authorities))
    required = bool(tls.authorities) and tls.validation is ClientValidation.REQUIRED
    context = tls_pb2.DownstreamTlsContext(common_tls_context=common)
    context.require_client_certificate.value = required
    return context


def quic(tls: ServerTls) -> Any:
    """Return the transport socket of a listener for HTTP/3, which is always TLS 1.3 (RFC 9001)."""
    context = server(msgspec.structs.replace(tls, minimum="", maximum="", cipher_suites=()), HTTP3)
    message = quic_transport_pb2.QuicDownstreamTransport(downstream_tls_context=context)
    message.enable_early_data.value = False
    return base_pb2.TransportSocket(name="envoy.transport_sockets.quic", typed_config=packed(message))


def backend(tls: BackendTls, protocols: tuple[str, ...]) -> Any:
    """Return the context of a cluster."""
    common = tls_pb2.CommonTlsContext(alpn_protocols=protocols)
    if tls.minimum or tls.maximum or tls.cipher_suites:
        common.tls_params.CopyFrom(_parameters(tls))
    if tls.certificate:
        common.tls_certificate_sds_secret_configs.append(_secret(tls.certificate))
    if not tls.is_verified:
        return tls_pb2.UpstreamTlsContext(common_tls_context=common, sni=tls.hostname)
    names = tls.subject_names or (SubjectName("DNS", tls.hostname),)
    checked = common_pb2.CertificateValidationContext(
        match_typed_subject_alt_names=[
            common_pb2.SubjectAltNameMatcher(
                san_type=SUBJECTS[one.type], matcher=string_pb2.StringMatcher(exact=one.value)
            )
            for one in names
        ]
    )
    if tls.authorities:
        common.combined_validation_context.CopyFrom(_validation(checked, tls.authorities))
    else:
        checked.trusted_ca.CopyFrom(base_pb2.DataSource(filename=SYSTEM_AUTHORITIES))
        common.validation_context.CopyFrom(checked)
    return tls_pb2.UpstreamTlsContext(common_tls_context=common, sni=tls.hostname)


def secrets_of_server(tls: ServerTls) -> tuple[Key, ...]:
    """Return the secrets that an Envoy requests for a listener."""
    return tuple((SECRET, name) for name in (*tls.certificates, tls.authorities) if name)


def secrets_of_backend(tls: BackendTls) -> tuple[Key, ...]:
    """Return the secrets that an Envoy requests for a cluster."""
    authorities = tls.authorities if tls.is_verified else ""
    return tuple((SECRET, name) for name in (authorities, tls.certificate) if name)


def _parameters(tls: ServerTls | BackendTls) -> Any:
    return common_pb2.TlsParameters(
        tls_minimum_protocol_version=VERSIONS[tls.minimum],
        tls_maximum_protocol_version=VERSIONS[tls.maximum],
        cipher_suites=tls.cipher_suites,
    )


def _validation(default: Any, authorities: str) -> Any:
    return tls_pb2.CommonTlsContext.CombinedCertificateValidationContext(
        default_validation_context=default, validation_context_sds_secret_config=_secret(authorities)
    )


def _secret(name: str) -> Any:
    return secret_pb2.SdsSecretConfig(name=name, sds_config=ads())

"""TLS towards clients and towards backends. Names of secrets are those under which a proxy requests them."""

from __future__ import annotations

import enum

import msgspec


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain with its key, both PEM.

    Attributes:
        name: unique among the secrets of a proxy: kind, namespace and name of the object that has it.

    """

    name: str
    chain: str
    key: str


class Authorities(msgspec.Struct, frozen=True):
    """Certificates of authorities, PEM. The name is unique among the secrets of a proxy."""

    name: str
    bundle: str


class ClientValidation(enum.StrEnum):
    """What happens to a client without a valid certificate (GEP-91 `mode`)."""

    REQUIRED = "AllowValidOnly"
    OPTIONAL = "AllowInsecureFallback"


class ServerTls(msgspec.Struct, frozen=True):
    """How a listener terminates TLS.

    Attributes:
        certificates: names of `Certificate`s; a client gets the one that fits its SNI best.
        authorities: name of the `Authorities` that clients' certificates are verified with; empty: none is requested.
        validation: what happens without a valid one.
        minimum, maximum: versions, such as `1.2`; empty: the proxy's own.
        cipher_suites: names of RFC 8446 or OpenSSL; empty: the proxy's own.
        protocols: ALPN, most desired first.
        depth: certificates between a client's and its authority's, at most; 0: the proxy's own.

    """

    certificates: tuple[str, ...]
    authorities: str = ""
    validation: ClientValidation = ClientValidation.REQUIRED
    minimum: str = ""
    maximum: str = ""
    cipher_suites: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("h2", "http/1.1")
    depth: int = 0


class SubjectName(msgspec.Struct, frozen=True):
    """A subject alternative name that a backend's certificate must have: one of `DNS` or `URI`."""

    type: str
    value: str


class BackendTls(msgspec.Struct, frozen=True):
    """How a connection to a backend is encrypted and verified (BackendTLSPolicy).

    Attributes:
        hostname: the SNI, and the name to verify where no subject names are given.
        authorities: name of the `Authorities`; empty: those of the system.
        subject_names: one of these must be in the certificate; empty: the hostname must.
        certificate: name of the `Certificate` that the proxy shows; empty: none.
        version: text that differs where any of what the names lead to is another kind of connection. It becomes part
            of the cluster's name, as an Envoy cannot change a cluster between TLS and plain text (envoy #26749).
        is_verified: whether the backend's certificate is; Ingress does not by default.
        minimum, maximum, cipher_suites: as in `ServerTls`.

    """

    hostname: str
    authorities: str = ""
    subject_names: tuple[SubjectName, ...] = ()
    certificate: str = ""
    version: str = ""
    is_verified: bool = True
    minimum: str = ""
    maximum: str = ""
    cipher_suites: tuple[str, ...] = ()

"""Users, and the client certificates that authenticate them. Tokens: see `access/`.

TLS has verified the chain before. Common name = user, organizations = groups, as
k8s.io/apiserver `authentication/request/x509` has it.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"
SERVICE_ACCOUNTS = "system:serviceaccounts"


class User(msgspec.Struct, frozen=True):
    """A name and the groups it is in; for ServiceAccounts also their uid, and the extra claims of their token."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def json(self) -> dict[str, Any]:
        """The user as `authentication.k8s.io/v1` UserInfo, empty parts left out."""
        extra = {key: list(values) for key, values in self.extra}
        parts = {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": extra}
        return {key: value for key, value in parts.items() if value}


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def tls_context(authority_file: str, certificate_file: str, key_file: str) -> ssl.SSLContext:
    """TLS for the server. A certificate of another authority fails the handshake; none at all is answered with 401."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    context.load_verify_locations(authority_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def certificate_user(certificate: Mapping[str, Any] | None) -> User | None:
    """The user of a checked peer certificate, as SSLSocket.getpeercert returns it; None without one or without name."""
    if not certificate:
        return None
    names = [pair for part in certificate.get("subject", ()) for pair in part]
    common = [value for key, value in names if key == "commonName"]
    groups = tuple(value for key, value in names if key == "organizationName")
    return User(common[0], (*groups, AUTHENTICATED)) if common and common[0] else None

"""SPIFFE ids of ServiceAccounts: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.

Source: SPIFFE-ID.md of github.com/spiffe/spiffe: sections 2.1 to 2.3.
"""

from __future__ import annotations

import re

import msgspec

SCHEME = "spiffe://"
DEFAULT_TRUST_DOMAIN = "cluster.local"
LONGEST_DOMAIN, LONGEST_ID = 255, 2048
"""Bytes."""
_DOMAIN = re.compile(r"[a-z0-9._-]+", re.ASCII)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
"""Names of namespaces and ServiceAccounts (DNS labels and subdomains): a subset of what a path segment may have."""


class SpiffeError(ValueError):
    """A text is no SPIFFE id of a ServiceAccount. The message has the reason."""


class Spiffe(msgspec.Struct, frozen=True, order=True, gc=False):
    """The identity of all pods of one ServiceAccount."""

    trust_domain: str
    namespace: str
    service_account: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def parse(text: str) -> Spiffe:
    """Return the id of a URI. Raises SpiffeError: also for other forms of SPIFFE ids, which no ServiceAccount has."""
    if not text.startswith(SCHEME) or len(text) > LONGEST_ID:
        raise SpiffeError(f"{text[:80]!r} does not begin with {SCHEME} or is too long")
    parts = text.removeprefix(SCHEME).split("/")
    if len(parts) != 5 or (parts[1], parts[3]) != ("ns", "sa"):
        raise SpiffeError(f"{text[:80]!r} has another form than {SCHEME}TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT")
    domain, _, namespace, _, account = parts
    for name in (namespace, account):
        if not _NAME.fullmatch(name):
            raise SpiffeError(f"{name[:80]!r} is no name of a namespace or ServiceAccount")
    return Spiffe(trust_domain(domain), namespace, account)


def trust_domain(text: str) -> str:
    """Return the trust domain. Raises SpiffeError where it has other characters than a-z, 0-9, '.', '-' and '_'."""
    if not _DOMAIN.fullmatch(text) or len(text) > LONGEST_DOMAIN:
        raise SpiffeError(f"{text[:80]!r} is no trust domain: use up to {LONGEST_DOMAIN} of a-z, 0-9, '.', '-' and '_'")
    return text

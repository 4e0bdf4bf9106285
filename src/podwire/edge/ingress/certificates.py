"""Which certificate a host has: that of the Secret which the oldest Ingress names for it. Pure.

Source: Kubernetes "Ingress", TLS; kubernetes/ingress-nginx `controller.go`, extractTLSSecretName.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from podwire.edge.gateway import certificates
from podwire.edge.gateway.certificates import Unresolved
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.references import SecretObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.servers import ANY_HOST, Claim
from podwire.edge.model.tls import Certificate
from podwire.kube.hostnames import wildcards
from podwire.kube.meta import NamespacedName


class Unusable(msgspec.Struct, frozen=True):
    """A Secret of an Ingress from which no certificate comes: its hosts get the default certificate."""

    ingress: NamespacedName
    message: str


class HostCertificates(msgspec.Struct, frozen=True):
    """The certificates by host, also of wildcards. `named` are all hosts in `spec.tls`, with a certificate or not."""

    by_host: Mapping[str, Certificate] = {}
    unusable: tuple[Unusable, ...] = ()
    named: frozenset[str] = frozenset()

    def of(self, host: str) -> Certificate | None:
        """Return the certificate of a host; that of a wildcard where it has no own; None: the default one."""
        found = (self.by_host.get(one) for one in (host, *wildcards(host)))
        return next((one for one in found if one is not None), None)


def host_certificates(claims: Iterable[Claim], objects: Objects) -> HostCertificates:
    """Return the certificates of all hosts, and what cannot be used."""
    found: dict[str, Certificate] = {}
    unusable: list[Unusable] = []
    ordered = sorted(claims, key=lambda one: one.age)
    ruled = frozenset(host for claim in ordered for host in claim.hosts)
    for claim in ordered:
        for hosts, secret in _named(claim, ruled):
            reference = SecretObjectReference(name=secret)
            certificate = certificates.certificate(
                reference, Referrer("Ingress", claim.item.metadata.namespace), objects
            )
            if isinstance(certificate, Unresolved):
                unusable.append(Unusable(claim.item.key, f"spec.tls: {certificate.message}"))
                continue
            for host in hosts:
                found.setdefault(host, certificate)
    named = frozenset(host.lower() for claim in ordered for tls in claim.item.spec.tls for host in tls.hosts)
    return HostCertificates(found, tuple(unusable), named)


def _named(claim: Claim, ruled: Container[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield hosts and their Secret; without hosts those of the rules.

    A host that only other Ingresses have rules for (`ruled`: all with rules) gets no certificate from this one.
    """
    for tls in claim.item.spec.tls:
        if tls.secret_name:
            hosts = tuple(one.lower() for one in tls.hosts if one) or claim.hosts
            own = tuple(one for one in hosts if one in claim.hosts or one not in ruled)
            yield tuple(one for one in own if one != ANY_HOST), tls.secret_name

"""Which certificate a host has: that of the Secret which the oldest Ingress names for it. Pure.

Source: Kubernetes "Ingress", TLS; kubernetes/ingress-nginx `controller.go`, extractTLSSecretName.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from podwire.edge.gateway import certificates
from podwire.edge.gateway.certificates import Subject, Unresolved
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.references import SecretObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import ANY_HOST, Claim, verification
from podwire.edge.model.backends import Balancing, Cluster, Transport
from podwire.edge.model.tls import Authorities, Certificate
from podwire.kube.hostnames import wildcards
from podwire.kube.meta import NamespacedName

SOON = timedelta(days=10)
"""Before its end a certificate is reported."""


class Unusable(msgspec.Struct, frozen=True):
    """A Secret of an Ingress from which no certificate comes for a host, or one that ends: there is an event of it."""

    ingress: NamespacedName
    message: str


class HostTls(msgspec.Struct, frozen=True):
    """What a host has of its own for TLS: authorities of clients' certificates with their depth, cipher suites."""

    authorities: Authorities | None = None
    depth: int = 0
    cipher_suites: tuple[str, ...] = ()


class Passage(msgspec.Struct, frozen=True):
    """Connections of a host are passed on as they are: to the backend of path `/` of the oldest Ingress."""

    ingress: NamespacedName
    cluster: Cluster


class HostCertificates(msgspec.Struct, frozen=True):
    """The certificates by host, also of wildcards.

    Attributes:
        named: hosts in `spec.tls`, with a certificate or not, and those that want to be passed on.
        own: what hosts have beside their certificate, where they have something.
        ruled: hosts that rules name.
        passed: hosts whose connections are passed on.

    """

    by_host: Mapping[str, Certificate] = {}
    unusable: tuple[Unusable, ...] = ()
    named: frozenset[str] = frozenset()
    own: Mapping[str, HostTls] = {}
    ruled: frozenset[str] = frozenset()
    passed: Mapping[str, Passage] = {}

    def of(self, host: str) -> Certificate | None:
        """Return the certificate of a host; that of a wildcard where it has no own; None: the default one."""
        found = (self.by_host.get(one) for one in (host, *wildcards(host)))
        return next((one for one in found if one is not None), None)

    def own_of(self, host: str) -> HostTls:
        """Return what a host has of its own; that of a wildcard where no rule names it."""
        found = (self.own.get(one) for one in (host, *(() if host in self.ruled else wildcards(host))))
        return next((one for one in found if one is not None), HostTls())


def host_certificates(claims: Iterable[Claim], objects: Objects, now: datetime | None = None) -> HostCertificates:
    """Return the certificates of all hosts, and what cannot be used. One that has ended is used, and reported."""
    now = now or datetime.now(UTC)
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
            subject = certificates.subject(certificate.chain)
            if subject.ends < now + SOON:
                message = (
                    f"spec.tls: the certificate of Secret {secret} ends at {subject.ends:%Y-%m-%d %H:%M} UTC: renew it"
                )
                unusable.append(Unusable(claim.item.key, message))
            for host in hosts:
                if subject.is_for(host):
                    found.setdefault(host, certificate)
                else:
                    unusable.append(Unusable(claim.item.key, _other_names(secret, host, subject)))
    named = {host.lower() for claim in ordered for tls in claim.item.spec.tls for host in tls.hosts}
    named.update(host for claim in ordered if claim.settings.ssl_passthrough for host in claim.hosts)
    references = References(objects)
    own, passed = dict(_own(ordered, references)), dict(_passed(ordered, references))
    return HostCertificates(found, tuple(unusable), frozenset(named), own, ruled, passed)


def _other_names(secret: str, host: str, subject: Subject) -> str:
    names = ", ".join(subject.names[:10]) or "no name"
    return f"spec.tls: the certificate of Secret {secret} is for {names}, not for {host}: it gets the default one"


def _own(claims: Iterable[Claim], references: References) -> Iterator[tuple[str, HostTls]]:
    of_host: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.settings.auth_tls_secret is not None or claim.settings.ssl_ciphers:
            for host in claim.hosts:
                of_host.setdefault(host, []).append(claim)
    for host, claimed in of_host.items():
        if (made := _host_tls(claimed, references)) != HostTls():
            yield host, made


def _passed(claims: Iterable[Claim], references: References) -> Iterator[tuple[str, Passage]]:
    """A host whose backend is missing is not passed on, and its locations answer 503."""
    seen: set[str] = set()
    for claim in (one for one in claims if one.settings.ssl_passthrough and not one.read.denied):
        for rule in claim.item.spec.rules:
            host = rule.host.lower()
            root = next((one for one in (rule.http.paths if rule.http else ()) if one.path in {"", "/"}), None)
            if not host or root is None or host in seen:
                continue
            seen.add(host)
            cluster = references.cluster(root.backend, claim.item.metadata.namespace, DEFAULTS)
            if not isinstance(cluster, Missing):
                plain = msgspec.structs.replace(cluster, transport=Transport.TCP, balancing=Balancing.LEAST_REQUEST)
                yield host, Passage(claim.item.key, plain)


def _host_tls(claims: Sequence[Claim], references: References) -> HostTls:
    """Of several Ingresses the oldest counts."""
    suites = next((one.settings.ssl_ciphers for one in claims if one.settings.ssl_ciphers), ())
    found = verification(claims)
    if found is None or found.settings.auth_tls_secret is None:
        return HostTls(cipher_suites=suites)
    authorities = references.authorities(found.settings.auth_tls_secret, found.ingress.namespace)
    if isinstance(authorities, Missing):
        return HostTls(cipher_suites=suites)
    return HostTls(authorities, found.settings.auth_tls_verify_depth, suites)


def _named(claim: Claim, ruled: Container[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield hosts and their Secret; without hosts those of the rules.

    A host that only other Ingresses have rules for (`ruled`: all with rules) gets no certificate from this one.
    """
    for tls in claim.item.spec.tls:
        if tls.secret_name:
            hosts = tuple(one.lower() for one in tls.hosts if one) or claim.hosts
            own = tuple(one for one in hosts if one in claim.hosts or one not in ruled)
            yield tuple(one for one in own if one != ANY_HOST), tls.secret_name

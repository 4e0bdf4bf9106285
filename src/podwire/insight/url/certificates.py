"""Whether a client that verifies certificates accepts the one of a listener. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from podwire.edge.gateway.gateway_secrets import gateway_secrets
from podwire.edge.model.tls import Certificate
from podwire.insight.service.report import Finding, Severity
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import Question
from podwire.insight.url.served import Served


class Facts(msgspec.Struct, frozen=True):
    """What a certificate is for: DNS names and addresses, and the end of its time."""

    names: tuple[str, ...]
    not_after: datetime

    def is_for(self, host: str) -> bool:
        """Whether a client accepts it for this host: a wildcard is one label (RFC 6125, 6.4.3)."""
        parent = host.partition(".")[2]
        return host in self.names or (bool(parent) and f"*.{parent}" in self.names)


def facts_of(chain: str) -> Facts | None:
    """Return the facts of a chain's first certificate, PEM; None where it cannot be read."""
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificates(chain.encode())[0]
    except ValueError:
        return None
    try:
        found = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [one.lower() for one in found.get_values_for_type(x509.DNSName)]
        names += [str(one) for one in found.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        names = []
    return Facts(tuple(names), first.not_valid_after_utc)


def of_listener(
    question: Question, gateway: Served, way: Passage, objects: UrlObjects, now: datetime
) -> Iterator[Finding]:
    """What a client that verifies finds wrong with the certificates of the listener; any of them may serve the host."""
    if way.state is None or way.state.tls is None:
        return
    mine = set(way.state.tls.certificates)
    secrets = gateway_secrets(gateway.gateway, gateway.states, objects.edge)
    found = {
        one.name: facts for one in secrets
        if isinstance(one, Certificate) and one.name in mine and (facts := facts_of(one.chain)) is not None
    }  # fmt: skip
    for name, facts in found.items():
        if facts.not_after < now:
            text = f"{name}: the certificate expired on {facts.not_after:%Y-%m-%d}: clients refuse it."
            yield Finding(Severity.ERROR, "CertificateExpired", text, "Renew it; the proxy takes the new one at once.")
    if found and not any(one.is_for(question.host) for one in found.values()):
        names = ", ".join(dict.fromkeys(each for one in found.values() for each in one.names)) or "no name"
        text = f"No certificate of listener {way.state.name} is for {question.host}: they are for {names}."
        yield Finding(Severity.WARNING, "CertificateName", text, f"Use one that has {question.host} as a DNS name.")

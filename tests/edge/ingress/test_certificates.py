"""Which Ingress gives a host its certificate."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.certificates import HostCertificates, host_certificates
from podwire.edge.ingress.kinds import Ingress
from podwire.kube.core import Secret
from podwire.pki.certificates import Authority
from tests.edge.ingress.objects import claim, ingress, path

HOST = "app.example.com"


def certificates(*items: Ingress, names: tuple[str, ...] = (HOST,), now: datetime | None = None) -> HostCertificates:
    """Return the certificates of Ingresses, each with a Secret `tls` in its namespace."""
    pair = Authority.create("test").server(names=names, addresses=())
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    objects = Objects()
    for item in items:
        metadata = {"namespace": item.metadata.namespace, "name": "tls"}
        objects.put("Secret", msgspec.convert({"metadata": metadata, "data": data}, Secret))
    return host_certificates(map(claim, items), objects, now)


def test_an_ingress_without_a_rule_for_a_host_of_another_gives_it_no_certificate() -> None:
    tls = {"hosts": [HOST], "secretName": "tls"}
    stranger = ingress("old", path("/"), host="b.example.com", namespace="other", tls=(tls,))
    alone = certificates(stranger)
    assert alone.of(HOST) is not None
    plain = ingress("new", path("/"), host=HOST, created="2026-02-02T00:00:00Z")
    assert certificates(stranger, plain).of(HOST) is None
    own = ingress("new", path("/"), host=HOST, created="2026-02-02T00:00:00Z", tls=(tls,))
    found = certificates(stranger, own).of(HOST)
    assert found is not None
    assert found.name == "Secret/shop/tls"


def test_a_wildcard_is_for_hosts_without_a_certificate_of_their_own() -> None:
    wide = ingress("wide", path("/"), host="a.example.com", tls=({"hosts": ["*.example.com"], "secretName": "tls"},))
    found = certificates(wide, names=("*.example.com",))
    assert found.of("a.example.com") == found.by_host["*.example.com"]
    assert found.of("example.org") is None
    assert found.of("*") is None


def test_a_certificate_of_other_names_is_not_used_and_reported() -> None:
    both = ingress("a", path("/"), host=HOST, tls=({"hosts": [HOST, "b.example.com"], "secretName": "tls"},))
    found = certificates(both)
    assert found.of(HOST) is not None
    assert found.of("b.example.com") is None
    (only,) = found.unusable
    assert "is for app.example.com, not for b.example.com" in only.message


def test_a_certificate_that_ends_is_used_and_reported() -> None:
    item = ingress("a", path("/"), host=HOST, tls=({"hosts": [HOST], "secretName": "tls"},))
    assert certificates(item).unusable == ()
    found = certificates(item, now=datetime.now(UTC) + timedelta(days=36_500))
    assert found.of(HOST) is not None
    assert "renew it" in found.unusable[0].message

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.backend_tls import authorities_of, policy_for, policy_state
from podwire.edge.gateway.backends import Unresolved, resolve
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.backend_tls_policy import BackendTLSPolicy
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.references import BackendObjectReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster, Transport
from podwire.edge.model.tls import SubjectName
from podwire.kube.core import ConfigMap
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.pki.certificates import Authority

DB = NamespacedName("shop", "db")
BUNDLE = Authority.create("test").pair.certificate.decode()


def policy(
    name: str, created: str = "2026-01-01T00:00:00Z", section: str | None = None, **given: Any
) -> BackendTLSPolicy:
    validation = {"hostname": "db.test", "caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}], **given}
    target = {"group": "", "kind": "Service", "name": "db"} | ({"sectionName": section} if section else {})
    metadata = {"name": name, "namespace": "shop", "creationTimestamp": created}
    spec = {"targetRefs": [target], "validation": validation}
    return msgspec.convert({"metadata": metadata, "spec": spec}, BackendTLSPolicy)


def objects(*policies: BackendTLSPolicy, bundle: str = BUNDLE) -> Objects:
    found = Objects()
    made = {"metadata": {"name": "ca", "namespace": "shop"}, "data": {"ca.crt": bundle}}
    found.put("ConfigMap", msgspec.convert(made, ConfigMap))
    for one in policies:
        found.put("BackendTLSPolicy", one)
    return found


def test_the_older_policy_of_a_target_applies() -> None:
    old, new = policy("z"), policy("a", "2026-01-02T00:00:00Z")
    known = objects(new, old)
    assert policy_for(DB, "tls", known) == old
    assert policy_state(old, known).accepted == "Accepted"
    assert policy_state(new, known).accepted == "Conflicted"


def test_a_policy_of_a_port_is_before_that_of_the_service_and_no_conflict() -> None:
    whole, one = policy("a"), policy("b", "2026-01-02T00:00:00Z", "tls")
    known = objects(whole, one)
    assert policy_for(DB, "tls", known) == one
    assert policy_for(DB, "other", known) == whole
    assert {policy_state(each, known).accepted for each in (whole, one)} == {"Accepted"}


@pytest.mark.parametrize(
    ("reference", "bundle", "reason"),
    [
        ({"kind": "ConfigMap", "name": "absent"}, BUNDLE, "InvalidCACertificateRef"),
        ({"kind": "ConfigMap", "name": "ca"}, "", "InvalidCACertificateRef"),
        ({"kind": "ConfigMap", "name": "ca"}, "no certificate", "InvalidCACertificateRef"),
        ({"kind": "Secret", "name": "ca"}, BUNDLE, "InvalidKind"),
    ],
)
def test_without_authorities_no_connection_is_made(reference: dict[str, str], bundle: str, reason: str) -> None:
    wrong = policy("p", caCertificateRefs=[reference])
    found = policy_state(wrong, objects(wrong, bundle=bundle))
    assert (found.accepted, found.resolved, found.tls) == ("NoValidCACertificate", reason, None)
    assert "caCertificateRefs[0]" in found.message


def test_names_to_verify_and_the_system_s_authorities() -> None:
    names = [{"type": "URI", "uri": "spiffe://a/b"}, {"type": "Hostname", "hostname": "other.test"}]
    one = policy("p", subjectAltNames=names)
    tls = policy_state(one, objects(one)).tls
    assert tls is not None
    assert tls.subject_names == (SubjectName("URI", "spiffe://a/b"), SubjectName("DNS", "other.test"))
    assert (tls.hostname, tls.authorities) == ("db.test", "ConfigMap/shop/ca")
    system = policy("s", caCertificateRefs=[], wellKnownCACertificates="System")
    plain = policy_state(system, objects(system)).tls
    assert plain is not None
    assert plain.authorities == ""
    assert plain.version != tls.version


def reached(*policies: BackendTLSPolicy, bundle: str = BUNDLE) -> tuple[Cluster | Unresolved, Objects]:
    known = objects(*policies, bundle=bundle)
    service = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"ports": [{"port": 443}]}}
    known.put("Service", msgspec.convert(service, Service))
    reference = BackendObjectReference("db", port=443)
    return resolve(reference, "field", Referrer("HTTPRoute", "shop"), known), known


def test_a_backend_with_a_policy_is_reached_by_tls() -> None:
    found, known = reached(policy("one"))
    assert isinstance(found, Cluster)
    assert found.tls is not None
    assert authorities_of(DB, found.tls.authorities, known) is not None


def test_a_backend_whose_policy_is_not_valid_is_not_reached() -> None:
    found, _ = reached(policy("one"), bundle="")
    assert isinstance(found, Unresolved)
    assert "BackendTLSPolicy shop/one" in found.message


def test_a_backend_without_a_policy_is_reached_in_plain_text() -> None:
    found, _ = reached()
    assert isinstance(found, Cluster)
    assert found.tls is None


@pytest.mark.parametrize(
    ("kind", "protocol", "transport"),
    [
        ("HTTPRoute", "https", Transport.HTTP1),
        ("HTTPRoute", "kubernetes.io/wss", Transport.HTTP1),
        ("GRPCRoute", "https", Transport.H2C),
    ],
)
def test_a_port_of_an_encrypted_protocol_needs_a_policy(kind: str, protocol: str, transport: Transport) -> None:
    made = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"ports": [{"name": "tls", "port": 443, "appProtocol": protocol}]},
    }
    reference = msgspec.convert({"name": "db", "port": 443}, BackendObjectReference)
    for policies in ((policy("p"),), ()):
        known = objects(*policies)
        known.put("Service", msgspec.convert(made, Service))
        found = resolve(reference, "spec.rules[0].backendRefs[0]", Referrer(kind, "shop"), known)
        if policies:
            assert isinstance(found, Cluster)
            assert found.transport is transport
            assert found.tls is not None
        else:
            assert isinstance(found, Unresolved)
            assert found.reason == "UnsupportedProtocol"
            assert "BackendTLSPolicy" in found.message


def test_a_route_that_gains_or_loses_a_backend_concerns_its_policy() -> None:
    known = objects(policy("a"))
    named = {"metadata": {"name": "web", "namespace": "shop"}}
    route = msgspec.convert({**named, "spec": {"rules": [{"backendRefs": [{"name": "db"}]}]}}, HTTPRoute)
    other = msgspec.convert({**named, "spec": {"rules": [{"backendRefs": [{"name": "cache"}]}]}}, HTTPRoute)
    found, ours = Owner("BackendTLSPolicy", "shop", "a"), Owner("HTTPRoute", "shop", "web")
    assert found in known.put("HTTPRoute", route)
    assert known.routes_to(DB) == (ours,)
    assert found in known.put("HTTPRoute", other)
    assert known.routes_to(DB) == ()
    assert found not in known.put("HTTPRoute", other)

"""Listeners of Gateways and ListenerSets: what is in use, and the conditions of what is not."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.kube.core import ConfigMap, Namespace, Secret
from podwire.pki.certificates import Authority

AUTHORITY = Authority.create("test")
PAIR = AUTHORITY.server(["a.example.com"], [])
OTHER = AUTHORITY.server(["b.example.com"], [])


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def secret(namespace: str, name: str, certificate: bytes, key: bytes) -> Secret:
    data = {"tls.crt": encoded(certificate), "tls.key": encoded(key)}
    return msgspec.convert({"metadata": {"namespace": namespace, "name": name}, "data": data}, Secret)


def gateway(*listeners: dict[str, Any], **spec: Any) -> Gateway:
    value = {
        "metadata": {"namespace": "infra", "name": "gateway"},
        "spec": {"gatewayClassName": "podwire", "listeners": list(listeners), **spec},
    }
    return msgspec.convert(value, Gateway)


def listener(name: str, port: int, protocol: str, hostname: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, "hostname": hostname, **fields}


def https(name: str, hostname: str | None = None, *references: dict[str, Any], **fields: Any) -> dict[str, Any]:
    refs = list(references) or [{"name": "good"}]
    return listener(name, 443, "HTTPS", hostname, tls={"certificateRefs": refs}, **fields)


def listener_set(name: str, namespace: str, created: str, *listeners: dict[str, Any]) -> ListenerSet:
    value = {
        "metadata": {"namespace": namespace, "name": name, "creationTimestamp": created},
        "spec": {"parentRef": {"name": "gateway", "namespace": "infra"}, "listeners": list(listeners)},
    }
    return msgspec.convert(value, ListenerSet)


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.put("Secret", secret("infra", "good", PAIR.certificate, PAIR.key))
    found.put("Secret", secret("infra", "crossed", PAIR.certificate, OTHER.key))
    found.put("Secret", secret("infra", "malformed", b"no", b"no"))
    found.put("Secret", secret("apart", "good", PAIR.certificate, PAIR.key))
    for name, text in (("authority", PAIR.certificate.decode()), ("empty", "")):
        value = {"metadata": {"namespace": "infra", "name": name}, "data": {"ca.crt": text}}
        found.put("ConfigMap", msgspec.convert(value, ConfigMap))
    return found


def reasons(states: tuple[ListenerState, ...], condition: str) -> dict[str, str]:
    """Return the reason of a condition for each listener that is not in order about it."""
    return {one.name: found.reason for one in states if (found := one.problem(condition))}


@pytest.mark.parametrize(
    ("listeners", "conflicts"),
    [
        ([listener("a", 80, "HTTP", "a.com"), listener("b", 80, "HTTP", "b.com")], {}),
        ([listener("a", 80, "HTTP", "a.com"), listener("b", 81, "HTTP", "a.com")], {}),
        (
            [listener("a", 80, "HTTP", "a.com"), listener("b", 80, "HTTP", "A.com")],
            dict.fromkeys("ab", "HostnameConflict"),
        ),
        (
            [listener("a", 80, "HTTP"), listener("b", 80, "TCP"), listener("c", 81, "TCP")],
            dict.fromkeys("ab", "ProtocolConflict"),
        ),
        ([listener("a", 53, "TCP"), listener("b", 53, "UDP")], {}),
        ([https("a", "a.com"), listener("b", 443, "TLS", "b.com", tls={"mode": "Passthrough"})], {}),
        (
            [https("a", "a.com"), listener("b", 443, "TLS", "a.com", tls={"mode": "Passthrough"})],
            dict.fromkeys("ab", "ProtocolConflict"),
        ),
    ],
)
def test_listeners_of_one_gateway_that_are_not_distinct_are_all_refused(
    objects: Objects, listeners: list[dict[str, Any]], conflicts: dict[str, str]
) -> None:
    states = listener_states(gateway(*listeners), objects)
    assert reasons(states, "Conflicted") == conflicts
    assert reasons(states, "Accepted") == conflicts
    assert {one.name for one in states if not one.is_usable} == set(conflicts)


def test_of_several_objects_the_listener_of_the_first_is_served(objects: Objects) -> None:
    objects.put(
        "ListenerSet", listener_set("young", "infra", "2026-02-01T00:00:00Z", listener("y", 80, "HTTP", "old.com"))
    )
    entries = (
        listener("host", 80, "HTTP", "gateway.com"),
        listener("protocol", 80, "TCP"),
        listener("good", 80, "HTTP", "old.com"),
    )
    objects.put("ListenerSet", listener_set("old", "infra", "2026-01-01T00:00:00Z", *entries))
    one = gateway(listener("own", 80, "HTTP", "gateway.com"), allowedListeners={"namespaces": {"from": "Same"}})
    states = listener_states(one, objects)
    assert [state.name for state in states] == ["own", "host", "protocol", "good", "y"]
    expected = {"host": "HostnameConflict", "protocol": "ProtocolConflict", "y": "HostnameConflict"}
    assert reasons(states, "Conflicted") == expected


@pytest.mark.parametrize(
    ("allowed", "admitted"),
    [
        (None, set()),
        ({"from": "None"}, set()),
        ({"from": "Same"}, {"same"}),
        ({"from": "All"}, {"same", "other"}),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}, {"other"}),
    ],
)
def test_allowed_listeners_admits_sets_by_their_namespace(
    objects: Objects, allowed: dict[str, Any] | None, admitted: set[str]
) -> None:
    objects.put("Namespace", msgspec.convert({"metadata": {"name": "apart", "labels": {"team": "x"}}}, Namespace))
    objects.put("ListenerSet", listener_set("one", "infra", "", listener("same", 81, "HTTP")))
    objects.put("ListenerSet", listener_set("two", "apart", "", listener("other", 82, "HTTP")))
    spec = {"allowedListeners": {"namespaces": allowed}} if allowed else {}
    states = listener_states(gateway(listener("own", 80, "HTTP"), **spec), objects)
    assert {one.name for one in states} - {"own"} == admitted


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ({"name": "good"}, None),
        ({"name": "absent"}, "InvalidCertificateRef"),
        ({"name": "crossed"}, "InvalidCertificateRef"),
        ({"name": "malformed"}, "InvalidCertificateRef"),
        ({"name": "good", "kind": "ConfigMap"}, "InvalidCertificateRef"),
        ({"name": "good", "group": "example.com"}, "InvalidCertificateRef"),
        ({"name": "good", "namespace": "apart"}, "RefNotPermitted"),
    ],
)
def test_a_certificate_reference_is_resolved(objects: Objects, reference: dict[str, Any], reason: str | None) -> None:
    (state,) = listener_states(gateway(https("a", None, reference)), objects)
    assert reasons((state,), "ResolvedRefs") == ({"a": reason} if reason else {})
    assert state.is_usable is (reason is None)
    assert state.is_accepted


@pytest.mark.parametrize(("kind", "usable"), [("Gateway", True), ("ListenerSet", False)])
def test_a_grant_permits_the_reference_of_its_kind_only(objects: Objects, kind: str, usable: bool) -> None:
    value = {
        "metadata": {"namespace": "apart", "name": "grant"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "infra"}],
            "to": [{"group": "", "kind": "Secret"}],
        },
    }
    one = gateway(https("a", None, {"name": "good", "namespace": "apart"}))
    objects.put("Gateway", one)
    grant = msgspec.convert(value, ReferenceGrant)
    assert Owner("Gateway", "infra", "gateway") in objects.put("ReferenceGrant", grant)
    assert listener_states(one, objects)[0].is_usable is usable
    assert Owner("Gateway", "infra", "gateway") in objects.remove("ReferenceGrant", grant.key)
    assert not listener_states(one, objects)[0].is_usable


@pytest.mark.parametrize(
    ("kinds", "left", "reason"),
    [
        ([], ("HTTPRoute", "GRPCRoute"), None),
        ([{"kind": "HTTPRoute"}], ("HTTPRoute",), None),
        ([{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}], ("HTTPRoute",), "InvalidRouteKinds"),
        ([{"kind": "HTTPRoute", "group": "example.com"}], (), "InvalidRouteKinds"),
    ],
)
def test_kinds_that_are_not_supported_are_left_out(
    objects: Objects, kinds: list[dict[str, str]], left: tuple[str, ...], reason: str | None
) -> None:
    (state,) = listener_states(gateway(listener("a", 80, "HTTP", allowedRoutes={"kinds": kinds})), objects)
    assert state.kinds == left
    assert reasons((state,), "ResolvedRefs") == ({"a": reason} if reason else {})


@pytest.mark.parametrize(
    ("reference", "resolved", "accepted"),
    [
        ({"kind": "ConfigMap", "name": "authority"}, None, None),
        ({"kind": "ConfigMap", "name": "empty"}, "InvalidCACertificateRef", "NoValidCACertificate"),
        ({"kind": "ConfigMap", "name": "absent"}, "InvalidCACertificateRef", "NoValidCACertificate"),
        ({"kind": "Secret", "name": "authority"}, "InvalidCACertificateKind", "NoValidCACertificate"),
        ({"kind": "ConfigMap", "name": "authority", "namespace": "apart"}, "RefNotPermitted", "NoValidCACertificate"),
    ],
)
def test_authorities_of_clients_are_resolved_for_https_only(
    objects: Objects, reference: dict[str, str], resolved: str | None, accepted: str | None
) -> None:
    frontend = {"default": {"validation": {"caCertificateRefs": [{"group": "", **reference}]}}}
    one = gateway(https("a"), listener("plain", 80, "HTTP"), tls={"frontend": frontend})
    states = listener_states(one, objects)
    assert reasons(states, "ResolvedRefs") == ({"a": resolved} if resolved else {})
    assert reasons(states, "Accepted") == ({"a": accepted} if accepted else {})
    assert [state.is_usable for state in states] == [accepted is None, True]


def test_a_port_of_its_own_validation_does_not_have_the_default(objects: Objects) -> None:
    absent = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "absent"}]}
    frontend = {"default": {"validation": absent}, "perPort": [{"port": 443, "tls": {}}]}
    (state,) = listener_states(gateway(https("a"), tls={"frontend": frontend}), objects)
    assert state.is_usable
    assert state.tls is not None
    assert state.tls.authorities == ""


def test_overlapping_hostnames_are_reported_for_the_listeners_that_overlap(objects: Objects) -> None:
    one = gateway(https("a", "foo.example.com"), https("b", "foo.example.org"), https("c", "*.example.com"))
    states = listener_states(one, objects)
    assert reasons(states, "OverlappingTLSConfig") == dict.fromkeys("ac", "OverlappingHostnames")
    assert all(state.is_usable for state in states)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (listener("a", 80, "example.com/QUIC"), "UnsupportedProtocol"),
        (listener("a", 443, "HTTPS", tls={"mode": "Passthrough"}), "UnsupportedValue"),
        (listener("a", 443, "TLS", tls={"mode": "Passthrough"}), None),
    ],
)
def test_a_protocol_or_mode_that_is_not_supported_is_not_accepted(
    objects: Objects, one: dict[str, Any], reason: str | None
) -> None:
    (state,) = listener_states(gateway(one), objects)
    assert reasons((state,), "Accepted") == ({"a": reason} if reason else {})
    assert state.is_usable is (reason is None)

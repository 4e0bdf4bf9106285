"""Which secrets the proxy of a Gateway gets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.gateway_secrets import gateway_secrets, identity_of
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.kube.core import ConfigMap
from podwire.pki.certificates import Authority
from tests.edge.gateway.test_listeners import gateway, https, listener, secret

AUTHORITY = Authority.create("test")
REFERENCE = {"group": "", "kind": "ConfigMap", "name": "clients"}
FRONTEND = {"default": {"validation": {"caCertificateRefs": [REFERENCE]}}}


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    for namespace, name in (("infra", "server"), ("infra", "client"), ("apart", "client")):
        pair = AUTHORITY.client(name)
        found.put("Secret", secret(namespace, name, pair.certificate, pair.key))
    value = {"metadata": {"namespace": "infra", "name": "clients"}}
    data = {"ca.crt": AUTHORITY.pair.certificate.decode()}
    found.put("ConfigMap", msgspec.convert({**value, "data": data}, ConfigMap))
    return found


@pytest.mark.parametrize(
    ("tls", "names", "identity"),
    [
        ({}, ["Secret/infra/server"], ""),
        ({"frontend": FRONTEND}, ["Secret/infra/server", "ConfigMap/infra/clients"], ""),
        (
            {"frontend": {"default": {}, "perPort": [{"port": 80, "tls": FRONTEND["default"]}]}},
            ["Secret/infra/server"],
            "",
        ),
        (
            {"backend": {"clientCertificateRef": {"name": "client"}}},
            ["Secret/infra/server", "Secret/infra/client"],
            "Secret/infra/client",
        ),
        ({"backend": {"clientCertificateRef": {"name": "client", "namespace": "apart"}}}, ["Secret/infra/server"], ""),
        ({"backend": {"clientCertificateRef": {"name": "absent"}}}, ["Secret/infra/server"], ""),
        (
            {"backend": {"clientCertificateRef": {"name": "server"}}},
            ["Secret/infra/server"],
            "Secret/infra/server",
        ),
    ],
)
def test_secrets_of_listeners_and_towards_backends(
    tls: dict[str, Any], names: list[str], identity: str, objects: Objects
) -> None:
    one = gateway(https("a", None, {"name": "server"}), listener("b", 80, "HTTP"), tls=tls)
    states = listener_states(one, objects)
    found = gateway_secrets(one, states, objects)
    assert [each.name for each in found] == names
    assert identity_of(one, objects) == identity
    used = {each for state in states if state.tls for each in (*state.tls.certificates, state.tls.authorities) if each}
    assert {*used, identity} - {""} == set(names), "none is missing, and none is sent that nothing uses"


def test_every_kind_that_secrets_and_backends_come_from_is_followed() -> None:
    assert {"Gateway", "ListenerSet", "ReferenceGrant", "BackendTLSPolicy"} <= {one.kind for one in KINDS}

"""Conditions of a Gateway that come from its spec."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.gateway_problems import gateway_problems, unusable_addresses
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.objects import Objects


def gateway(**spec: Any) -> Gateway:
    value = {"metadata": {"namespace": "infra", "name": "gateway"}, "spec": spec}
    return msgspec.convert(value, Gateway)


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        ([], False),
        ([{"type": "IPAddress"}], False),
        ([{"type": "IPAddress", "value": "172.18.254.201"}], False),
        ([{"value": "2001:db8::1"}], False),
        ([{"type": "IPAddress", "value": "no"}], True),
        ([{"type": "test/fake-invalid-type", "value": "1.2.3.4"}], True),
        ([{"type": "Hostname", "value": "a.example.com"}], True),
    ],
)
def test_addresses_of_other_types_are_not_supported(addresses: list[dict[str, str]], problem: bool) -> None:
    found = [one.reason for one in gateway_problems(gateway(addresses=addresses), Objects())]
    assert found == (["UnsupportedAddress"] if problem else [])


def test_parameters_of_a_kind_that_is_not_known_are_invalid() -> None:
    reference = {"group": "invalid.io", "kind": "InvalidParameters", "name": "invalid"}
    (found,) = gateway_problems(gateway(infrastructure={"parametersRef": reference}), Objects())
    assert (found.type, found.status, found.reason) == ("Accepted", "False", "InvalidParameters")
    assert gateway_problems(gateway(infrastructure={"labels": {"a": "b"}}), Objects()) == ()


@pytest.mark.parametrize(
    ("assigned", "problem"),
    [(("172.18.254.201",), True), (("172.18.254.201", "192.0.2.1"), False), ((), True)],
)
def test_each_wanted_address_must_be_assigned(assigned: tuple[str, ...], problem: bool) -> None:
    one = gateway(addresses=[{"type": "IPAddress", "value": "192.0.2.1"}, {"value": "172.18.254.201"}])
    assert bool(unusable_addresses(one, assigned)) is problem
    assert unusable_addresses(gateway(addresses=[{"type": "IPAddress"}]), assigned) == ()


@pytest.mark.parametrize(("mode", "problem"), [("AllowValidOnly", False), ("AllowInsecureFallback", True)])
@pytest.mark.parametrize("place", ["default", "perPort"])
def test_an_insecure_mode_is_reported(mode: str, place: str, problem: bool) -> None:
    tls = {"validation": {"caCertificateRefs": [{"kind": "ConfigMap", "name": "a"}], "mode": mode}}
    frontend = {"default": tls} if place == "default" else {"default": {}, "perPort": [{"port": 443, "tls": tls}]}
    found = [(one.type, one.status) for one in gateway_problems(gateway(tls={"frontend": frontend}), Objects())]
    assert found == ([("InsecureFrontendValidationMode", "True")] if problem else [])


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (None, None),
        ({"name": "absent"}, "InvalidClientCertificateRef"),
        ({"name": "a", "kind": "ConfigMap"}, "InvalidClientCertificateRef"),
        ({"name": "a", "namespace": "apart"}, "RefNotPermitted"),
    ],
)
def test_the_certificate_for_backends_is_resolved(reference: dict[str, str] | None, reason: str | None) -> None:
    tls = {"backend": {"clientCertificateRef": reference}} if reference else {}
    found = [(one.type, one.reason) for one in gateway_problems(gateway(tls=tls), Objects())]
    assert found == ([("ResolvedRefs", reason)] if reason else [])

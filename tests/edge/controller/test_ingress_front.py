"""The status of an Ingress: addresses, and the reason of a problem as the error of their ports."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.controller import ingress_front
from podwire.edge.ingress.kinds import Ingress

ADDRESSES = ({"ip": "192.0.2.1"}, {"hostname": "lb.example.com"})


def ingress(*entries: dict[str, Any]) -> Ingress:
    body = {"metadata": {"name": "a", "namespace": "shop"}, "status": {"loadBalancer": {"ingress": entries}}}
    return msgspec.convert(body, Ingress)


def written(item: Ingress, *reasons: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ingress_front.status(item, ADDRESSES, reasons)["loadBalancer"]["ingress"]
    return found


def test_addresses_alone_where_there_is_no_problem() -> None:
    assert written(ingress()) == list(ADDRESSES)
    assert ingress_front.status(ingress(*ADDRESSES), ADDRESSES) == {}
    assert ingress_front.status(ingress(*ADDRESSES), ()) == {"loadBalancer": {"ingress": None}}


def test_a_reason_is_the_error_of_each_port_until_it_is_gone() -> None:
    entries = written(ingress(*ADDRESSES), "UnsupportedAnnotation")
    assert [one["ports"] for one in entries] == [
        [{"port": port, "protocol": "TCP", "error": "podwire.dev/UnsupportedAnnotation"} for port in (80, 443)]
    ] * 2
    assert ingress_front.status(ingress(*entries), ADDRESSES, {"UnsupportedAnnotation"}) == {}
    assert written(ingress(*entries)) == list(ADDRESSES)


@pytest.mark.parametrize(
    ("reasons", "first"),
    [
        (("UnsupportedAnnotation", "UnusableCertificate"), "UnusableCertificate"),
        (("HostOnGateway", "ServiceNotFound", "UnknownAnnotation"), "ServiceNotFound"),
        (("UnsupportedAnnotation", "UnknownAnnotation"), "UnknownAnnotation"),
    ],
)
def test_of_several_reasons_one_that_takes_paths_away_is_reported(reasons: tuple[str, ...], first: str) -> None:
    assert written(ingress(), *reasons)[0]["ports"][0]["error"] == f"podwire.dev/{first}"

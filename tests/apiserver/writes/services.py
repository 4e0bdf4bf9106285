"""Services on their way to the allocator, and what it answers."""

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from podwire.apiserver import defaults
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.writes import strategy
from podwire.apiserver.writes.service_allocator import Reservation, ServiceRanges

DUAL = ServiceRanges((IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112")))
SINGLE = ServiceRanges((IPv4Network("10.96.0.0/24"),), range(30000, 30004))
SERVICE = registry().by_kind("v1", "Service")
assert SERVICE is not None


def service(**spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [{"port": 80}])
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
    assert SERVICE is not None
    defaults.apply(SERVICE, obj)
    strategy.before_create(SERVICE, obj)
    return obj


def changed(old: dict[str, Any], **spec: Any) -> dict[str, Any]:
    obj = {**old, "spec": {**old["spec"], **spec}}
    obj["spec"] = {name: value for name, value in obj["spec"].items() if value is not None}
    obj["spec"]["ports"] = [dict(port) for port in obj["spec"]["ports"]]
    assert SERVICE is not None
    defaults.apply(SERVICE, obj)
    strategy.before_update(SERVICE, obj, old)
    return obj


def failure(reservation: Reservation) -> str:
    assert reservation.refusal is not None
    assert not reservation.causes
    return reservation.refusal.internal


def texts(reservation: Reservation) -> list[str]:
    return [str(cause) for cause in reservation.causes]

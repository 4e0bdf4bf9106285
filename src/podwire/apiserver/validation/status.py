"""The status subresource. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidatePodStatusUpdate and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import job_status, nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.kinds.resources import Resource

_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})


def validate(resource: Resource, obj: Field, old: Field) -> Iterator[Cause]:
    """Check what a controller or node reports, as far as the network relies on it."""
    status = obj["status"]
    match resource.group, resource.kind:
        case "", "Namespace":
            yield from _phase(obj)
        case "", "Node":
            yield from nodes.status(status)
        case "", "Pod":
            yield from _pod(status, old["status"], obj["spec"])
        case "", "Service":
            points = status["loadBalancer"]["ingress"]
            if points and obj["spec"]["type"].text != "LoadBalancer":
                yield points.forbidden("may only be used when `spec.type` is 'LoadBalancer'")
            else:
                yield from _address_modes(points)
                yield from _load_balancer(points, old["status"]["loadBalancer"]["ingress"])
        case "networking.k8s.io", "Ingress":
            yield from _load_balancer(status["loadBalancer"]["ingress"], old["status"]["loadBalancer"]["ingress"])
        case "apps", _:
            yield from _counts(status)
        case "batch", "Job":
            yield from job_status.validate(obj, old)
        case _:
            return


def _phase(obj: Field) -> Iterator[Cause]:
    phase, dying = obj["status"]["phase"].text, bool(obj["metadata"]["deletionTimestamp"])
    desired, relation = ("Terminating", "is not empty") if dying else ("Active", "is empty")
    if phase != desired:
        detail = f"may only be '{desired}' if `deletionTimestamp` {relation}"
        yield field_errors.invalid("status.Phase", phase, detail)


def _pod(status: Field, old: Field, spec: Field) -> Iterator[Cause]:
    if old["qosClass"] and status["qosClass"].value != old["qosClass"].value:
        yield status["qosClass"].invalid(formats.IMMUTABLE)
    if status["observedGeneration"].number < 0:
        yield status["observedGeneration"].invalid("must be a non-negative integer")
    for condition in status["conditions"]:
        if condition["type"].text not in _SYSTEM_CONDITIONS:
            wrong = formats.label_key(condition["type"].text)
            path = f"{condition.path}.Type"
            yield from (field_errors.invalid(path, condition["type"].text, text) for text in wrong)
    yield from _nominated(status["nominatedNodeName"], old["nominatedNodeName"], bound=bool(spec["nodeName"]))
    yield from _addresses(status["podIPs"], status["podIP"], "podIP")
    yield from _addresses(status["hostIPs"], status["hostIP"], "hostIP")


def _nominated(now: Field, before: Field, *, bound: bool) -> Iterator[Cause]:
    if now and now.value != before.value:
        yield from now.invalid_each(formats.dns_subdomain(now.text))
        if bound:
            yield now.forbidden("may not be set on pods that are already bound to a node")


def _addresses(addresses: Field, first: Field, noun: str) -> Iterator[Cause]:
    for entry in addresses:
        yield from (
            field_errors.invalid(entry.path, entry["ip"].text, text) for text in formats.address(entry["ip"].text)
        )
    families = [":" in entry["ip"].text for entry in addresses]
    if len(families) != len(set(families)):
        yield addresses.invalid("may specify no more than one IP for each IP family")
    for entry in list(addresses)[:1]:
        if first and entry["ip"].value != first.value:
            yield entry["ip"].invalid(f"must be equal to `{noun}`")


def _address_modes(points: Field) -> Iterator[Cause]:
    for point in points:
        mode = point["ipMode"]
        if point["ip"] and not mode.given:
            yield mode.required("must be specified when `ip` is set")
        elif mode.given and not point["ip"]:
            yield mode.forbidden("may not be specified when `ip` is not set")
        elif mode.given and mode.value not in {"Proxy", "VIP"}:
            yield mode.unsupported(("Proxy", "VIP"))


def _load_balancer(points: Field, before: Field) -> Iterator[Cause]:
    """Check addresses and names; an address that was stored before is accepted, as older rules may have been wider."""
    held = {point["ip"].text for point in before}
    for point in points:
        if point["ip"] and point["ip"].text not in held:
            yield from point["ip"].invalid_each(formats.address(point["ip"].text))
        if point["hostname"]:
            yield from point["hostname"].invalid_each(formats.dns_subdomain(point["hostname"].text))
            if formats.parse_address(point["hostname"].text) is not None:
                yield point["hostname"].invalid("must be a DNS name, not an IP address")


def _counts(status: Field) -> Iterator[Cause]:
    for part in ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "observedGeneration"):
        yield from status[part].not_negative()
    for part in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if status["replicas"].given and status[part].number > status["replicas"].number:
            yield status[part].invalid("cannot be greater than status.replicas")
    if status["readyReplicas"].given and status["availableReplicas"].number > status["readyReplicas"].number:
        yield status["availableReplicas"].invalid("cannot be greater than readyReplicas")

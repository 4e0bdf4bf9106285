"""The status subresource. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidatePodStatusUpdate and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.kinds.resources import Resource


def validate(resource: Resource, status: Field) -> Iterator[Cause]:
    """Check what a controller or node reports, as far as the network relies on it."""
    match resource.group, resource.kind:
        case "", "Pod":
            yield from _pod(status)
        case "", "Service":
            yield from _load_balancer(status["loadBalancer"])
        case "networking.k8s.io", "Ingress":
            yield from _load_balancer(status["loadBalancer"])
        case "apps", _:
            yield from _counts(status)
        case _:
            return


def _pod(status: Field) -> Iterator[Cause]:
    addresses = status["podIPs"]
    for entry in addresses:
        yield from entry["ip"].invalid_each(formats.address(entry["ip"].text))
    families = [":" in entry["ip"].text for entry in addresses]
    if len(families) != len(set(families)):
        yield addresses.invalid("may specify no more than one IP for each IP family")
    if status["podIP"] and addresses and addresses.value[0].get("ip") != status["podIP"].value:
        yield addresses.invalid("`podIPs[0]` must match `podIP`")


def _load_balancer(balancer: Field) -> Iterator[Cause]:
    for point in balancer["ingress"]:
        if point["ip"]:
            yield from point["ip"].invalid_each(formats.address(point["ip"].text))
        if point["hostname"]:
            yield from point["hostname"].invalid_each(formats.dns_subdomain(point["hostname"].text))
            if formats.parse_address(point["hostname"].text) is not None:
                yield point["hostname"].invalid("must be a DNS name, not an IP address")


def _counts(status: Field) -> Iterator[Cause]:
    for part in ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "observedGeneration"):
        yield from status[part].not_negative()

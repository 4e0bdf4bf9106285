"""The subresource `proxy` of Services, pods and nodes: the target of `http:web:80`. Pure.

Sources: k8s.io/kubernetes `pkg/registry/core/{service,pod}/storage` ResourceLocation, k8s.io/apimachinery
`pkg/util/net` SplitSchemeNamePort. Which of several endpoints answers is for the caller to choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.kube.numbers import read_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]

SCHEMES = ("", "http", "https")
SERVICE_LABEL = "kubernetes.io/service-name"


class Address(msgspec.Struct, frozen=True):
    """What a name in the path of a proxy means; empty parts are not given."""

    scheme: str
    name: str
    port: str


class Backend(msgspec.Struct, frozen=True):
    """Where an endpoint listens, and the node that reaches it."""

    node: str
    address: str
    port: int


def unavailable(message: str) -> status.StatusError:
    """No backend answers. Without Retry-After, with which clients would try again for ten seconds."""
    return status.StatusError(503, "ServiceUnavailable", message)


def address(text: str, kind: str) -> Address:
    """Read `[scheme:]name[:port]`; with two parts the second is a port. Raises StatusError 400."""
    parts = text.split(":")
    match parts:
        case [name]:
            found = Address("", name, "")
        case [name, port]:
            found = Address("", name, port)
        case [scheme, name, port] if scheme in SCHEMES:
            found = Address(scheme, name, port)
        case _:
            raise status.bad_request(f'invalid {kind} request "{text}"')
    if not found.name:
        raise status.bad_request(f'invalid {kind} request "{text}"')
    return found


def of_service(service: Object, slices: Iterable[Object], port: str) -> tuple[Backend, ...]:
    """All that may answer for a Service's port, by its number or name; raises StatusError 503 where there is none.

    `slices` are those with the Service's label.
    """
    name = service["metadata"]["name"]
    if number := read_port(port):
        port = _port_name(service, number)
    backends = tuple(
        backend
        for entry in slices
        if entry.get("addressType") in {"IPv4", "IPv6"}
        for backend in _backends(entry, port)
    )
    if not backends:
        raise unavailable(f'no endpoints available for service "{name}"')
    return backends


def of_pod(pod: Object, port: str) -> Backend:
    """Where a pod listens: the given port, else the first that it declares, else 80; raises StatusError 400."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    address = (pod.get("status") or {}).get("podIP", "")
    if not address or not spec.get("nodeName"):
        raise status.bad_request(f"pod {name} has no address: it does not run yet")
    declared = (entry["containerPort"] for part in spec.get("containers") or () for entry in part.get("ports") or ())
    number = read_port(port) if port else next(declared, 80)
    if not number:
        raise status.bad_request(f"pod {name}: port {port!r} must be a number from 1 to 65535")
    return Backend(spec["nodeName"], address, number)


def of_node(node: Object, port: str) -> Backend:
    """A port of a node's own address; raises StatusError 400."""
    name = node["metadata"]["name"]
    listed = (node.get("status") or {}).get("addresses") or ()
    address = next((entry["address"] for entry in listed if entry.get("type") == "InternalIP"), "")
    number = read_port(port)
    if not address or not number:
        raise status.bad_request(f'node {name}: port "{port}" of address "{address}" cannot be reached')
    return Backend(name, address, number)


def _port_name(service: Object, number: int) -> str:
    for port in (service.get("spec") or {}).get("ports") or ():
        if port.get("port") == number:
            return str(port.get("name", ""))
    raise unavailable(f'no service port {number} found for service "{service["metadata"]["name"]}"')


def _backends(entry: Object, port: str) -> Iterator[Backend]:
    numbers = [one["port"] for one in entry.get("ports") or () if one.get("name", "") == port and one.get("port")]
    for endpoint in entry.get("endpoints") or ():
        ready = (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or () if ready and endpoint.get("nodeName") else ():
            yield from (Backend(endpoint["nodeName"], address, number) for number in numbers[:1])

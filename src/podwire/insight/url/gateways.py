"""Which Gateway gets a request: by address, or by the listeners and routes that are for its host. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.gateway_service import GATEWAY_LABEL
from podwire.edge.gateway.gateway_proxy import proxy_name
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.objects import Objects
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import Passage, passage
from podwire.insight.url.question import Question
from podwire.insight.url.served import Served, served
from podwire.kube.core import Pod
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service


class Chosen(msgspec.Struct, frozen=True):
    """The Gateway, the way through it, and others that would take the request just as well."""

    served: Served
    passage: Passage
    others: tuple[NamespacedName, ...] = ()


def chosen(question: Question, objects: UrlObjects) -> Chosen | None:
    """Return the Gateway that gets the request; None where there is none.

    A name resolves to whichever address DNS has for it: the Gateway whose listeners and routes fit best is meant.
    """
    ours = [one for _, one in sorted(objects.edge.gateways.items()) if objects.edge.is_ours(one)]
    if question.gateway:
        ours = [one for one in ours if str(one.key) == question.gateway]
    elif (named := cluster_name(question, objects.edge)) is not None:
        ours = [one for one in ours if service_of(one, objects.edge) == named]
    elif question.is_address:
        ours = [one for one in ours if question.host in _addresses(one, objects.edge)]
    found = []
    for gateway in ours:
        one = served(gateway, objects.edge)
        way = passage(question, one)
        found.append((_rank(way), Chosen(one, way)))
    if not found:
        return None
    best = min(rank for rank, _ in found)
    equal = [one for rank, one in found if rank == best]
    return msgspec.structs.replace(equal[0], others=tuple(one.served.gateway.key for one in equal[1:]))


def addresses(gateway: Gateway) -> tuple[str, ...]:
    """Return the addresses that the Gateway has: those of its status."""
    return tuple(one.value for one in gateway.status.addresses if one.value)


def service_of(gateway: Gateway, objects: Objects) -> Service | None:
    """Return the Service that forwards to the Envoys of the Gateway."""
    name, namespace = gateway.metadata.name, gateway.metadata.namespace
    services = (one for key, one in sorted(objects.services.items()) if key.namespace == namespace)
    return next((one for one in services if one.metadata.labels.get(GATEWAY_LABEL) == name), None)


def envoys(gateway: Gateway, pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Return the pods of the Gateway's proxy, by name."""
    proxy = proxy_name(gateway)
    found = (
        one
        for one in pods
        if one.metadata.namespace == PROXIES and one.metadata.labels.get(PROXY_LABEL) == proxy and not one.finished
    )
    return tuple(sorted(found, key=lambda one: one.metadata.name))


def proxy_port(port: int, service: Service | None) -> int:
    """Return the port on which Envoys receive connections to a Gateway's port; that one where it is not known yet."""
    ports = service.spec.ports if service is not None else ()
    found = next((one.target_port for one in ports if one.port == port and one.protocol == "TCP"), None)
    return found if isinstance(found, int) else port


def cluster_name(question: Question, objects: Objects) -> Service | None:
    """Return the Service that the host means as a name of cluster.local; None for any other name.

    A name alone, or with its namespace, is completed by a pod's resolver.
    """
    labels = question.host.removesuffix(".cluster.local").split(".")
    if len(labels) == 1 and "/" in question.client:
        labels.append(question.client.partition("/")[0])
    if len(labels) == 2 or (len(labels) == 3 and labels[2] == "svc"):
        return objects.services.get(NamespacedName(labels[1], labels[0]))
    return None


def _addresses(gateway: Gateway, objects: Objects) -> set[str]:
    """The addresses of a Gateway, those of its Service in the cluster too."""
    service = service_of(gateway, objects)
    return {*addresses(gateway), *(service.addresses if service is not None else ())}


def _rank(way: Passage) -> int:
    """How well the Gateway fits; the least is the best."""
    if way.stream is not None:
        return 0
    if way.taken is not None:
        return 0 if way.host is not None and way.host.domain != "*" else 1
    if way.host is not None and not way.host.misdirected:
        return 2 if way.host.routes else 3
    return 4 if way.state is not None else 5

"""What clients outside reach through Ingresses and Gateways: policies see the Envoy as the source. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.gateway import serving
from podwire.edge.gateway.gateway_proxy import INGRESS, proxy_name
from podwire.insight.reach.exposure import Exposure, Sources
from podwire.insight.snapshot.endpoints import backings
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Owner, Workload
from podwire.insight.snapshot.written import NAME_LABEL
from podwire.insight.url.ingresses import held
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.planned import objects_of
from podwire.insight.url.served import served
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName


def with_proxies(snapshot: Snapshot) -> tuple[Snapshot, UrlObjects]:
    """Return the snapshot with the Envoys that written Gateways and Ingresses get, and the objects of requests."""
    objects = objects_of(snapshot)
    if not snapshot.is_planned:
        return snapshot, objects
    proxies = [one for one in objects.pods if PROXY_LABEL in one.metadata.labels]
    made = tuple(Workload(Owner("Deployment", one.key), one.metadata.labels, one.spec) for one in proxies)
    namespaces = {**{one.namespace: {NAME_LABEL: one.namespace} for one in made}, **snapshot.namespaces}
    workloads = (*snapshot.workloads, *made)
    return msgspec.structs.replace(snapshot, namespaces=namespaces, workloads=workloads), objects


def of_requests(objects: UrlObjects, sources: Sources) -> Iterator[Exposure]:
    """Yield the ways by hosts."""
    yield from _of_ingresses(objects, sources)
    yield from _of_gateways(objects, sources)


def of_others(objects: UrlObjects) -> Iterator[str]:
    """Yield a note for each class of Ingresses and Gateways that others serve."""
    ours = held(objects)
    ingresses = Counter(one.class_name for one in objects.ingresses if not ours.is_ours(one))
    gateways = (one for one in objects.edge.gateways.values() if not objects.edge.is_ours(one))
    classes = Counter(one.spec.gateway_class_name for one in gateways)
    for kind, found in (("Ingress", ingresses), ("Gateway", classes)):
        for name, count in sorted(found.items()):
            what = f"class {name}" if name else "no class"
            yield f"left out: {count} {kind} object{'s' if count > 1 else ''} of {what}, which podwire does not serve"


def _of_ingresses(objects: UrlObjects, sources: Sources) -> Iterator[Exposure]:
    proxy, ours = _proxy(INGRESS, sources), held(objects)
    for item in filter(ours.is_ours, objects.ingresses):
        for rule in item.spec.rules:
            for path in rule.http.paths if rule.http else ():
                backend = path.backend.service
                if backend is not None:
                    key = NamespacedName(item.metadata.namespace, backend.name)
                    desired = backend.port.number or backend.port.name
                    address = f"{rule.host or '*'}{path.path or '/'}"
                    yield _through(proxy, "Ingress", str(item.key), address, [(key, desired)], sources)


def _of_gateways(objects: UrlObjects, sources: Sources) -> Iterator[Exposure]:
    for gateway in filter(objects.edge.is_ours, objects.edge.gateways.values()):
        found = served(gateway, objects.edge)
        proxy = _proxy(proxy_name(gateway), sources)
        for owner, attached in sorted(found.attached.items()):
            hosts = serving.hosts_of(attached)
            address = ", ".join(f"{host.domain}:{host.port.port}" for host in hosts)
            ports = sorted({one.port for one in found.rules[owner].clusters})
            behind: list[tuple[NamespacedName, int | str]] = [
                (NamespacedName(one.namespace, one.service), one.port) for one in ports
            ]
            if hosts:
                yield _through(proxy, "Gateway", f"{gateway.key} ({owner.kind} {owner.name})", address, behind, sources)


def _proxy(name: str, sources: Sources) -> Workload | None:
    workloads = sources.snapshot.workloads
    return next((one for one in workloads if one.namespace == PROXIES and one.labels.get(PROXY_LABEL) == name), None)


def _through(
    proxy: Workload | None, kind: str, name: str, address: str,
    behind: Sequence[tuple[NamespacedName, int | str]], sources: Sources,
) -> Exposure:  # fmt: skip
    """Return the way through an Envoy: it is the source that policies see."""
    to, is_reached = [], False
    for key, desired in behind:
        service = sources.snapshot.service(key)
        for port in service.spec.ports if service else ():
            if service is None or desired not in (port.port, port.name):
                continue
            for one in backings(service, port, sources.snapshot):
                if one.workload and one.port:
                    to.append(f"{one.workload}:{one.port}/{port.protocol}")
                    is_reached |= proxy is not None and sources.pods(proxy, one.workload, port.protocol, one.port)
    if not behind:
        return Exposure(kind, name, address, (), f"outside, answered by {proxy}" if proxy is not None else "")
    reached = f"outside through {proxy}" if proxy is not None and is_reached else ""
    return Exposure(kind, name, address, tuple(dict.fromkeys(to)), reached)

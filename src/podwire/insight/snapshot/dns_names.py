"""What DNS names mean for the cluster's DNS: Services, pods of headless Services, hosts outside. Pure.

Source: the specification of Kubernetes DNS-based service discovery, sections 2.3 and 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.snapshot.ends import End, EndKind, unknown
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

DOMAIN = ("cluster", "local")
_SERVICES = ("svc", *DOMAIN)


def resolve(text: str, snapshot: Snapshot, namespace: str = "") -> End:
    """Return what a name with a dot means. Raises EndError for one of the cluster that nothing has.

    `namespace` is where the search list of the client begins.
    """
    labels = text.rstrip(".").lower().split(".")
    if _is_domain(labels[2:]):
        service = snapshot.service(NamespacedName(labels[1], labels[0]))
        if service is not None:
            return End(text, EndKind.SERVICE, service=service)
    found = _of_pod(text, labels, snapshot, namespace)
    if found is not None:
        return found
    if any(rest and _is_domain(rest) for rest in (labels[2:], labels[3:])):
        raise unknown(text, text, (f"{one.metadata.name}.{one.metadata.namespace}" for one in snapshot.services))
    return End(text, EndKind.HOST, host=".".join(labels))


def of_alias(target: str, snapshot: Snapshot) -> End:
    """Return what the target of an alias means, which is a whole name: no search list completes it. Raises EndError."""
    name = target.rstrip(".").lower()
    if tuple(name.split(".")[-len(_SERVICES) :]) == _SERVICES:
        return resolve(name, snapshot)
    return End(name, EndKind.HOST, host=name)


def _is_domain(labels: list[str]) -> bool:
    return tuple(labels) == _SERVICES[: len(labels)]


def _of_pod(text: str, labels: list[str], snapshot: Snapshot, namespace: str) -> End | None:
    """Return the pod of POD.SERVICE[.NAMESPACE[.svc...]]; None where there is no such headless Service."""
    where = labels[2] if len(labels) > 2 else namespace or "default"
    service = snapshot.service(NamespacedName(where, labels[1])) if _is_domain(labels[3:]) else None
    if service is None or not service.headless:
        return None
    hosts = dict(_hosts(service, snapshot))
    if labels[0] not in hosts:
        raise unknown(text, text, (f"{one}.{service.metadata.name}" for one in hosts))
    workload, pod = hosts[labels[0]]
    return End(text, EndKind.PODS, (workload,), pod)


def _hosts(service: Service, snapshot: Snapshot) -> Iterator[tuple[str, tuple[Workload, PodPlace | None]]]:
    """Yield the host names of the pods whose subdomain is the Service."""
    for one in snapshot.workloads:
        own = one.namespace == service.metadata.namespace and one.spec.subdomain == service.metadata.name
        if not own or not service.spec.selector.items() <= one.labels.items():
            continue
        if one.owner.kind == "StatefulSet":
            yield from ((pod.name, (one, pod)) for pod in one.pods or map(PodPlace, one.made_names()))
        elif one.spec.hostname:
            yield one.spec.hostname, (one, one.pods[0] if len(one.pods) == 1 else None)

"""The cluster's DNS server, which every cluster has and few files: answers from files assume it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Owner, Workload
from podwire.kube import cluster_dns
from podwire.kube.core import Container, ContainerPort, PodSpec
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec

KEY = NamespacedName(cluster_dns.NAMESPACE, cluster_dns.NAME)
PROTOCOLS = ("UDP", "TCP")
PORT = 53
_PORTS = tuple(ContainerPort(container_port=PORT, protocol=one) for one in PROTOCOLS)
_SERVICE_PORTS = (ServicePort(PORT, "dns", "UDP"), ServicePort(PORT, "dns-tcp", "TCP"))
WORKLOAD = Workload(
    Owner("Deployment", KEY),
    cluster_dns.LABELS,
    PodSpec(containers=(Container(name="dns", ports=_PORTS),)),
    replicas=2,
)
SERVICE = Service(
    metadata=ObjectMeta(name=KEY.name, namespace=KEY.namespace),
    spec=ServiceSpec(selector=cluster_dns.LABELS, ports=_SERVICE_PORTS),
)


NOTE = f"{KEY} is not written: it is taken to be as in most clusters."
REMEDY = "Name its manifests too where yours is another."


def is_server(namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether these are pods of the cluster's DNS."""
    return namespace == KEY.namespace and cluster_dns.is_dns(labels)


def is_assumed(service: Service | None, workloads: Iterable[Workload]) -> bool:
    """Whether one of these is not among the objects of files."""
    return service is SERVICE or any(one is WORKLOAD for one in workloads)


def is_missing(snapshot: Snapshot) -> bool:
    """Whether the objects are those of files, and no pods of the DNS are among them."""
    return snapshot.is_planned and not any(
        one.replicas and is_server(one.namespace, one.labels) for one in snapshot.workloads
    )


def completed(snapshot: Snapshot) -> Snapshot:
    """Return the objects with the DNS's pods and Service where they are missing."""
    if not is_missing(snapshot):
        return snapshot
    services = snapshot.services if snapshot.service(KEY) is not None else (*snapshot.services, SERVICE)
    return msgspec.structs.replace(snapshot, workloads=(*snapshot.workloads, WORKLOAD), services=services)

"""The objects of an explanation, of files: what a cluster assigns is made up, and left out of the report. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

import msgspec

from podwire.insight.pod_reading import PodReading
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Finding, PortLine, Report, Severity
from podwire.insight.snapshot import expansion
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.core import Node
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service

ANY_NODE = "any node"
ASSIGNED = "assigned when it is applied"
_ADDRESSES: Mapping[str, str] = {"IPv4": "198.18.0.1", "IPv6": "2001:db8::1"}
"""Cluster addresses that no cluster has (RFC 2544 and 3849)."""


def objects_of(service: Service, snapshot: Snapshot) -> ServiceObjects:
    """Return the Service with a cluster address, its endpoints, and where no node is written one that is any."""
    found = _with_address(service)
    pods = expansion.pods(snapshot)
    written = tuple(one for one in snapshot.slices if one.service == service.key)
    own = tuple(one for one in pods if one.metadata.namespace == service.metadata.namespace)
    readings = tuple(msgspec.convert(msgspec.to_builtins(one), PodReading) for one in own)
    return ServiceObjects(
        found,
        written or tuple(expansion.slices(service, pods)),
        readings,
        snapshot.nodes or (Node(metadata=ObjectMeta(name=ANY_NODE)),),
        snapshot.services,
        tuple(one for one in snapshot.policies if one.metadata.namespace == service.metadata.namespace),
    )


def keys(snapshot: Snapshot) -> list[NamespacedName]:
    """Return the names of all Services."""
    return [one.key for one in snapshot.services]


def without_assigned(report: Report, service: Service, snapshot: Snapshot) -> Report:
    """Leave out addresses that are made up: of the Service, and of pods that do not exist yet."""
    made = frozenset(_ADDRESSES.values())
    frontends = (
        msgspec.structs.replace(one, address=ASSIGNED) if one.address in made else one for one in report.frontends
    )
    known = {address for one in snapshot.workloads for pod in one.pods for address in pod.addresses}
    known |= {address for one in snapshot.slices for endpoint in one.endpoints for address in endpoint.addresses}
    nodes = (
        msgspec.structs.replace(one, ports=tuple(_without(port, known) for port in one.ports)) for one in report.nodes
    )
    return msgspec.structs.replace(
        report, frontends=tuple(frontends), nodes=tuple(nodes), findings=tuple(_findings(report, service))
    )


def _findings(report: Report, service: Service) -> Iterator[Finding]:
    """Yield the findings; on which nodes pods will be, and where not, is not known before they are scheduled."""
    endpoints = (one for line in report.nodes for port in line.ports for one in port.endpoints)
    is_known = all(one.node for one in endpoints)
    for one in report.findings:
        if one.reason == "NoLocalEndpoint" and not is_known:
            field, _, _ = one.text.partition(" is Local")
            what = "connections from outside" if field == "externalTrafficPolicy" else "connections from their pods"
            text = f"{field} is Local: nodes without a pod of the Service drop {what}."
            yield Finding(Severity.NOTE, one.reason, text, "On which nodes its pods will be is not known.")
        elif one.reason == "LoadBalancerPending" and not service.spec.load_balancer_class:
            yield Finding(Severity.NOTE, one.reason, "The load balancer gets its address when it is applied.")
        else:
            yield one


def _without(port: PortLine, known: Set[str]) -> PortLine:
    endpoints = (one if one.address in known else msgspec.structs.replace(one, address="") for one in port.endpoints)
    return msgspec.structs.replace(port, endpoints=tuple(endpoints))


def _with_address(service: Service) -> Service:
    spec = service.spec
    if spec.cluster_ip or spec.type == "ExternalName":
        return service
    families = spec.ip_families or (("IPv4", "IPv6") if spec.ip_family_policy == "RequireDualStack" else ("IPv4",))
    addresses = tuple(_ADDRESSES[one] for one in families if one in _ADDRESSES)
    assigned = msgspec.structs.replace(spec, cluster_ip=addresses[0], cluster_ips=addresses, ip_families=families)
    return msgspec.structs.replace(service, spec=assigned)

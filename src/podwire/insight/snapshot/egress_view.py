"""EgressGateways of a snapshot as the agents read them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.egress.model import Gateway, Source, read, serving
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.addresses import usable
from podwire.kube.meta import NamespacedName


def gateways(snapshot: Snapshot) -> list[Gateway]:
    """Return them by seniority: of several that select a pod the first one counts."""
    texts = (text for node in snapshot.nodes for text in node.internal_addresses)
    nodes = [address for address in map(usable, texts) if address is not None]
    inside = snapshot.pod_ranges.networks
    return sorted((read(one, nodes, inside) for one in snapshot.egress_gateways), key=lambda one: one.rank)


def serving_node(gateway: Gateway, snapshot: Snapshot) -> str:
    """Return the node that serves a gateway; empty where there is none."""
    return serving(gateway, snapshot.nodes)


def selects(gateway: Gateway, workload: Workload, snapshot: Snapshot) -> bool:
    """Whether the gateway selects the pods of a workload."""
    if workload.spec.host_network:
        return False
    source = Source(NamespacedName(workload.namespace, workload.name), dict(workload.labels), (), "")
    return gateway.selects(source, snapshot.namespaces.get(workload.namespace))


def gateway_of(workload: Workload, snapshot: Snapshot) -> Gateway | None:
    """Return the gateway by which the pods of a workload leave; None: by their nodes."""
    return next((one for one in gateways(snapshot) if selects(one, workload, snapshot)), None)


def selected(gateway: Gateway, snapshot: Snapshot) -> Iterator[Workload]:
    """Return the workloads that the gateway selects."""
    return (one for one in snapshot.workloads if selects(gateway, one, snapshot))

"""What agents and DNS keep of each object: the parts that they read. A large cluster's other parts cost nothing.

An object keeps its type; a part that is left out has its default. To read another part, add it here. Source of what is
large: annotations (kubectl keeps the whole object in one), owner references, `targetRef` of each endpoint, conditions.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec

from podwire.kube import cluster_dns, pod_pools
from podwire.kube.core import Namespace, Node, NodeSpec, NodeStatus
from podwire.kube.discovery import (
    NOT_PROXIED,
    SERVICE_NAME_LABEL,
    TRIGGER_TIME,
    Endpoint,
    EndpointConditions,
    EndpointSlice,
)
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service, ServiceStatus

ValueT = TypeVar("ValueT")

FLOW_RECORDS = "podwire.dev/flow-records"
"""An annotation of a namespace: whether admitted connections of its pods are recorded."""
SERVICE_LABELS = NOT_PROXIED | {cluster_dns.LABEL}
SLICE_LABELS = NOT_PROXIED | {SERVICE_NAME_LABEL}


class KeptObjects:
    """Keeps the objects of one process, with one copy of what many endpoints have in common."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._conditions: dict[EndpointConditions, EndpointConditions] = {}

    def node(self, node: Node) -> Node:
        """Addresses, pod ranges, those of pools of namespaces too, whether it is Ready or leaves, labels."""
        ready = tuple(
            msgspec.structs.replace(condition, reason="", message="", last_transition_time=None)
            for condition in node.status.conditions
            if condition.type == "Ready"
        )
        metadata = _metadata(node.metadata, node.metadata.labels.keys())
        pools = node.metadata.annotations.get(pod_pools.ANNOTATION)
        if pools:
            metadata = msgspec.structs.replace(metadata, annotations={pod_pools.ANNOTATION: pools})
        return Node(
            metadata=metadata,
            spec=NodeSpec(pod_cidr=node.spec.pod_cidr, pod_cidrs=node.spec.pod_cidrs, taints=node.spec.taints),
            status=NodeStatus(addresses=node.status.addresses, conditions=ready),
        )

    def namespace(self, namespace: Namespace) -> Namespace:
        """Labels, and the annotation that requires records of flows."""
        metadata = _metadata(namespace.metadata, namespace.metadata.labels.keys())
        records = namespace.metadata.annotations.get(FLOW_RECORDS)
        if records:
            metadata = msgspec.structs.replace(metadata, annotations={FLOW_RECORDS: records})
        return Namespace(metadata=metadata)

    def service(self, service: Service) -> Service:
        """All that agents read, with the label of DNS: not the selector, as endpoints come from slices."""
        return Service(
            metadata=_metadata(service.metadata, SERVICE_LABELS),
            spec=msgspec.structs.replace(service.spec, selector=_NO_LABELS),
            status=ServiceStatus(load_balancer=service.status.load_balancer),
        )

    def endpoint_slice(self, piece: EndpointSlice) -> EndpointSlice:
        """Endpoints without the pods that they are made from."""
        metadata = _metadata(piece.metadata, SLICE_LABELS)
        trigger = piece.metadata.annotations.get(TRIGGER_TIME)
        if trigger:
            metadata = msgspec.structs.replace(metadata, annotations={TRIGGER_TIME: trigger})
        return EndpointSlice(
            metadata=metadata,
            address_type=piece.address_type,
            endpoints=tuple(map(self._endpoint, piece.endpoints)),
            ports=piece.ports,
        )

    def _endpoint(self, endpoint: Endpoint) -> Endpoint:
        return Endpoint(
            addresses=endpoint.addresses,
            conditions=_shared(self._conditions, endpoint.conditions),
            node_name=_shared(self._texts, endpoint.node_name),
            zone=_shared(self._texts, endpoint.zone),
            hostname=endpoint.hostname,
            hints=endpoint.hints,
        )


_NO_LABELS: dict[str, str] = {}
"""One for all objects, which is not changed: an empty map of its own would be 64 bytes of each."""


def _metadata(metadata: ObjectMeta, labels: Collection[str]) -> ObjectMeta:
    """Names, uid, version and times, with these labels."""
    kept = {key: metadata.labels[key] for key in labels if key in metadata.labels}
    return ObjectMeta(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        creation_timestamp=metadata.creation_timestamp,
        deletion_timestamp=metadata.deletion_timestamp,
        labels=kept or _NO_LABELS,
        annotations=_NO_LABELS,
    )


def _shared(known: dict[ValueT, ValueT], value: ValueT) -> ValueT:
    return known.setdefault(value, value)

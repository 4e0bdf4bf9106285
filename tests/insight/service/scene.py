"""Objects for explanations: nodes with zones, pods, their slices, and Services over them."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.insight.pod_reading import ContainerReading, PodReading, PodReadingStatus, StateReading, WaitingState
from podwire.insight.service.explain import explain
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Report
from podwire.kube.core import Container, ContainerPort, Node, NodeAddress, NodeStatus, PodSpec
from podwire.kube.discovery import (
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    ObjectReference,
)
from podwire.kube.meta import Condition, ObjectMeta
from podwire.kube.services import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from podwire.services.node_view import NodeView

SETTINGS = NodeView("", ("10.96.0.0/16",))
HTTP = ServicePort(name="http", port=80, target_port=8080, node_port=30080)


def node(number: int, zone: str = "") -> Node:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=f"172.18.0.{number + 1}"),))
    return Node(metadata=ObjectMeta(name=f"node-{number}", labels=labels), status=status)


def pod(name: str, *, ready: bool = True, waits: str = "", port: str = "http", app: str = "web") -> PodReading:
    waiting = WaitingState(reason=waits, message="no such image") if waits else None
    return PodReading(
        metadata=ObjectMeta(name=name, namespace="shop", labels={"app": app}),
        spec=PodSpec(containers=(Container(name="web", ports=(ContainerPort(container_port=8080, name=port),)),)),
        status=PodReadingStatus(
            phase="Running",
            conditions=(Condition(type="Ready", status="True" if ready else "False", reason="ContainersNotReady"),),
            container_statuses=(ContainerReading(name="web", ready=ready, state=StateReading(waiting=waiting)),),
        ),
    )


def endpoint(number: int, on: int, state: str = "ready", zone: str = "") -> Endpoint:
    ready, serving, terminating = {"ready": (True, True, False), "unready": (False, False, False),
                                   "ending": (False, True, True)}[state]  # fmt: skip
    return Endpoint(
        addresses=(f"10.244.{on}.{number}",),
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        node_name=f"node-{on}",
        zone=zone,
        target_ref=ObjectReference(kind="Pod", namespace="shop", name=f"web-{number}"),
    )


def slices(
    *endpoints: Endpoint, ports: tuple[EndpointPort, ...] = (EndpointPort(name="http", port=8080),)
) -> EndpointSlice:
    metadata = ObjectMeta(name="web-x", namespace="shop", labels={SERVICE_NAME_LABEL: "web"})
    return EndpointSlice(metadata=metadata, endpoints=endpoints, ports=ports)


def service(name: str = "web", created: str = "2026-01-01T00:00:00Z", balanced: str = "", **spec: Any) -> Service:
    given = {"selector": {"app": "web"}, "ports": (HTTP,), "cluster_ip": "10.96.0.7", **spec}
    status = ServiceStatus(
        load_balancer=LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=balanced),) if balanced else ())
    )
    metadata = ObjectMeta(name=name, namespace="shop", creation_timestamp=created, uid=name)
    return Service(metadata=metadata, spec=ServiceSpec(**given), status=status)


def scene(of: Service, *endpoints: Endpoint, **more: Any) -> ServiceObjects:
    """The Service with two ready pods on two nodes, unless other endpoints are given; `more` replaces fields."""
    used = endpoints or (endpoint(1, 1), endpoint(2, 2))
    given = {"slices": (slices(*used),), "pods": (pod("web-1"), pod("web-2")), "nodes": (node(1), node(2)), **more}
    return msgspec.structs.replace(ServiceObjects(of), **given)


def report(objects: ServiceObjects, **settings: Any) -> Report:
    return explain(objects, msgspec.structs.replace(SETTINGS, **settings))

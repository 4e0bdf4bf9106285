"""Kinds of `discovery.k8s.io/v1`. Source: k8s.io/api `discovery/v1`."""

from __future__ import annotations

from podwire.kube.meta import NamespacedName, Object, Struct

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
"""A Service, and its slices, with this label are for names only: no proxy serves them."""
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""A Service or a slice with this label belongs to another proxy."""
NOT_PROXIED = frozenset({PROXY_NAME_LABEL, HEADLESS_LABEL})
"""Labels of Services and of slices that a proxy leaves out (k8s.io/kubernetes `cmd/kube-proxy/app/server.go`)."""
PROXIED = ",".join(f"!{label}" for label in sorted(NOT_PROXIED))
"""The selector of Services and slices that a proxy serves: servers send no others."""
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
"""An annotation of slices: when the pods or the Service changed that led to this state (RFC 3339)."""


class EndpointConditions(Struct, frozen=True):
    """Absent means True for ready and serving, False for terminating."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(Struct, frozen=True):
    """The object that an endpoint is made from, usually a Pod."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class ForZone(Struct, frozen=True):
    """A zone whose clients an endpoint is meant for."""

    name: str = ""


class ForNode(Struct, frozen=True):
    """A node whose clients an endpoint is meant for."""

    name: str = ""


class EndpointHints(Struct, frozen=True):
    """Where the clients of an endpoint should be, by the topology hints of the slice's controller."""

    for_zones: tuple[ForZone, ...] = ()
    for_nodes: tuple[ForNode, ...] = ()


class Endpoint(Struct, frozen=True):
    """One backend. Only the first address is used, as in kube-proxy."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str = ""
    node_name: str = ""
    zone: str = ""
    hints: EndpointHints = EndpointHints()
    target_ref: ObjectReference | None = None

    @property
    def ready(self) -> bool:
        """Absent counts as ready (discovery/v1 EndpointConditions)."""
        return self.conditions.ready is not False


class EndpointPort(Struct, frozen=True):
    """A port of all endpoints of a slice. No number means all ports."""

    name: str = ""
    protocol: str = "TCP"
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    """A part of a Service's endpoints, of one family."""

    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service(self) -> NamespacedName:
        """The Service that the slice belongs to; its name is empty where the label is missing."""
        return NamespacedName(self.metadata.namespace, self.metadata.labels.get(SERVICE_NAME_LABEL, ""))

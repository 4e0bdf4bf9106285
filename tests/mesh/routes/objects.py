"""Objects of the tests, written in few words, and the routes that they come to."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.kube.core import Namespace
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.mesh.kinds.backend_policy import BACKEND_POLICIES, BACKEND_TRAFFIC_POLICIES
from podwire.mesh.routes.policies import Policies
from podwire.mesh.routes.service_routes import Changes, ServiceRoutes

POLICIES = {one.kind: one.type for one in (BACKEND_POLICIES, BACKEND_TRAFFIC_POLICIES)}

TYPES: dict[str, Any] = {
    **{one.kind: one.type for one in KINDS},
    "Service": Service,
    "Namespace": Namespace,
    "EndpointSlice": EndpointSlice,
}
ENROLLED = {"podwire.dev/mesh": "enabled"}
DISABLED = {"podwire.dev/mesh": "disabled"}


class Cluster:
    """Objects with the routes that were derived from them; namespaces `shop` (enrolled), `client` and `other`."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.policies = Policies(self.objects)
        self.routes = ServiceRoutes(self.objects, self.policies)
        self.namespace("shop", ENROLLED)
        self.namespace("client", {})

    def put(self, kind: str, name: str, spec: Any, namespace: str = "shop", **metadata: Any) -> Changes:
        """Add or replace an object."""
        return self.put_whole(kind, {"metadata": {"namespace": namespace, "name": name, **metadata}, "spec": spec})

    def put_whole(self, kind: str, value: Any) -> Changes:
        """Add or replace an object, given whole."""
        return self.routes.update(self.objects.put(kind, msgspec.convert(value, TYPES[kind])))

    def namespace(self, name: str, labels: dict[str, str]) -> Changes:
        """Add or replace a namespace."""
        value = msgspec.convert({"metadata": {"name": name, "labels": labels}}, Namespace)
        return self.routes.update(self.objects.put("Namespace", value))

    def service(self, name: str, *ports: Any, namespace: str = "shop", **given: Any) -> Changes:
        """Add or replace a Service with ports, given by number or whole; without any, port 80 of the name http."""
        whole = [{"port": one} if isinstance(one, int) else one for one in ports] or [{"port": 80, "name": "http"}]
        labels = given.pop("labels", {})
        spec = {"clusterIP": "10.0.0.1", "ports": whole, **given}
        return self.put("Service", name, spec, namespace, labels=labels)

    def route(
        self,
        name: str,
        parent: dict[str, Any],
        *rules: Any,
        kind: str = "HTTPRoute",
        namespace: str = "shop",
        day: int = 1,
    ) -> Changes:
        """Add or replace a route on one Service."""
        spec = {"parentRefs": [on(**parent)], "rules": rules or [to("web")]}
        return self.put(kind, name, spec, namespace, creationTimestamp=f"2026-01-0{day}T00:00:00Z")

    def policy(self, name: str, *services: Any, kind: str = "BackendPolicy", day: int = 1, **spec: Any) -> Changes:
        """Add or replace a policy of Services of `shop`, given by name or whole."""
        targets = [{"name": one} if isinstance(one, str) else one for one in services]
        metadata = {"namespace": "shop", "name": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}
        value = msgspec.convert({"metadata": metadata, "spec": {"targetRefs": targets, **spec}}, POLICIES[kind])
        return self.routes.update(self.policies.put(kind, value))

    def remove_policy(self, name: str, kind: str = "BackendPolicy") -> Changes:
        """Remove a policy of `shop`."""
        return self.routes.update(self.policies.remove(kind, NamespacedName("shop", name)))

    def remove(self, kind: str, name: str, namespace: str = "shop") -> Changes:
        """Remove an object."""
        owner = Owner(kind, namespace, name)
        return self.routes.update(self.objects.remove(kind, owner.key))

    def reason(self, name: str, kind: str = "HTTPRoute", namespace: str = "shop") -> list[str]:
        """Return the reasons of a route's attachments."""
        return [one.reason for one in self.routes.attachments(Owner(kind, namespace, name))]


def on(name: str = "web", **given: Any) -> dict[str, Any]:
    """Return a reference to a Service as a parent."""
    return {"group": "", "kind": "Service", "name": name, **given}


def to(name: str, port: int = 80, **rule: Any) -> dict[str, Any]:
    """Return a rule with one backend."""
    return {"backendRefs": [{"name": name, "port": port}], **rule}

"""References between objects. Absent parts are None; the properties apply the defaults of the API.

Source: gateway-api v1.6.3 `apis/v1/shared_types.go` and `object_reference_types.go`.
"""

from __future__ import annotations

from podwire.kube.gateway_api import GROUP
from podwire.kube.meta import NamespacedName, Struct

CORE = ""
"""The core group, of Secret, ConfigMap and Service."""
ALL = "All"
"""The scope of default Gateways that there is: all routes that use default Gateways."""


class ParentReference(Struct, frozen=True):
    """What a route or a ListenerSet is attached to: a Gateway, where group and kind are absent."""

    name: str = ""
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None

    @property
    def parent_group(self) -> str:
        """Return the group; absent: that of the Gateway API."""
        return GROUP if self.group is None else self.group

    @property
    def parent_kind(self) -> str:
        """Return the kind; absent: Gateway."""
        return "Gateway" if self.kind is None else self.kind

    @property
    def is_service(self) -> bool:
        """Whether group and kind are those of a Service, both as written: neither is the default."""
        return (self.group, self.kind) == (CORE, "Service")

    def key(self, namespace: str) -> NamespacedName:
        """Return the parent's name, for an object of this namespace that refers to it."""
        return NamespacedName(self.namespace or namespace, self.name)


class SecretObjectReference(Struct, frozen=True):
    """A Secret, where group and kind are absent."""

    name: str = ""
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None

    @property
    def is_secret(self) -> bool:
        """Whether group and kind are those of a Secret."""
        return (self.group or CORE) == CORE and (self.kind or "Secret") == "Secret"

    def key(self, namespace: str) -> NamespacedName:
        """Return the object's name, for an object of this namespace that refers to it."""
        return NamespacedName(self.namespace or namespace, self.name)


class ObjectReference(Struct, frozen=True):
    """An object of any kind, perhaps of another namespace."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str | None = None

    @property
    def is_config_map(self) -> bool:
        """Whether group and kind are those of a ConfigMap."""
        return self.group == CORE and self.kind == "ConfigMap"

    def key(self, namespace: str) -> NamespacedName:
        """Return the object's name, for an object of this namespace that refers to it."""
        return NamespacedName(self.namespace or namespace, self.name)


class LocalObjectReference(Struct, frozen=True):
    """An object of the same namespace."""

    group: str = ""
    kind: str = ""
    name: str = ""


class ParametersReference(Struct, frozen=True):
    """Parameters of a GatewayClass; without namespace for a cluster-scoped kind."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class BackendObjectReference(Struct, frozen=True):
    """A backend: a Service, where group and kind are absent."""

    name: str = ""
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    port: int | None = None

    @property
    def backend_group(self) -> str:
        """Return the group; absent: core."""
        return self.group or CORE

    @property
    def backend_kind(self) -> str:
        """Return the kind; absent: Service."""
        return self.kind or "Service"

    @property
    def is_service(self) -> bool:
        """Whether group and kind are those of a Service."""
        return self.backend_group == CORE and self.backend_kind == "Service"

    def key(self, namespace: str) -> NamespacedName:
        """Return the backend's name, for a route of this namespace that refers to it."""
        return NamespacedName(self.namespace or namespace, self.name)

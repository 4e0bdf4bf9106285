"""Gateway and its listeners. Source: gateway-api v1.6.3 `apis/v1/gateway_types.go`."""

from __future__ import annotations

import msgspec

from podwire.edge.gateway.kinds.references import ALL, LocalObjectReference, ObjectReference, SecretObjectReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class Namespaces(Struct, frozen=True):
    """Which namespaces: `All`, `Same`, `Selector` or `None`. Absent: None here; its meaning is its user's."""

    from_: str | None = msgspec.field(default=None, name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Struct, frozen=True):
    """A kind of route; without group one of the Gateway API."""

    kind: str = ""
    group: str | None = None

    @property
    def kind_group(self) -> str:
        """Return the group; absent: that of the Gateway API."""
        return GROUP if self.group is None else self.group


class AllowedRoutes(Struct, frozen=True):
    """Which routes may be attached. No kinds: all that the protocol supports."""

    namespaces: Namespaces = Namespaces()
    kinds: tuple[RouteGroupKind, ...] = ()


class ListenerTls(Struct, frozen=True):
    """TLS of one listener. No mode: Terminate."""

    mode: str | None = None
    certificate_refs: tuple[SecretObjectReference, ...] = ()
    options: dict[str, str] = msgspec.field(default_factory=dict)


class Listener(Struct, frozen=True):
    """A port, protocol and hostname; an entry of a ListenerSet has the same fields."""

    name: str = ""
    hostname: str | None = None
    port: int = 0
    protocol: str = ""
    tls: ListenerTls | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Struct, frozen=True):
    """A desired or assigned address. No type: IPAddress; no value: any."""

    type: str | None = None
    value: str = ""


class Infrastructure(Struct, frozen=True):
    """Labels and annotations of the objects made for a Gateway, and its parameters."""

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    parameters_ref: LocalObjectReference | None = None


class AllowedListeners(Struct, frozen=True):
    """Namespaces whose ListenerSets may be attached; absent: none."""

    namespaces: Namespaces = Namespaces()


class FrontendValidation(Struct, frozen=True):
    """How clients' certificates are verified. No mode: AllowValidOnly."""

    ca_certificate_refs: tuple[ObjectReference, ...] = msgspec.field(default=(), name="caCertificateRefs")
    mode: str = ""


class FrontendPort(Struct, frozen=True):
    """TLS towards clients. No validation: no client certificate is requested."""

    validation: FrontendValidation | None = None


class PortOverride(Struct, frozen=True):
    """TLS towards clients of one port, in place of the default."""

    port: int = 0
    tls: FrontendPort = FrontendPort()


class Frontend(Struct, frozen=True):
    """TLS towards clients of all HTTPS listeners."""

    default: FrontendPort = FrontendPort()
    per_port: tuple[PortOverride, ...] = ()


class BackendSide(Struct, frozen=True):
    """TLS towards backends: the certificate that the Gateway shows."""

    client_certificate_ref: SecretObjectReference | None = None


class GatewayTls(Struct, frozen=True):
    """TLS of a whole Gateway."""

    backend: BackendSide | None = None
    frontend: Frontend | None = None


class GatewaySpec(Struct, frozen=True):
    """The desired state."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()
    infrastructure: Infrastructure = Infrastructure()
    allowed_listeners: AllowedListeners = AllowedListeners()
    tls: GatewayTls = GatewayTls()
    default_scope: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether routes that use default Gateways are attached (experimental, GEP-3793)."""
        return self.default_scope == ALL


class ListenerStatus(Struct, frozen=True):
    """What a controller wrote about one listener."""

    name: str = ""
    supported_kinds: tuple[RouteGroupKind, ...] = ()
    attached_routes: int = 0
    conditions: tuple[Condition, ...] = ()


class GatewayStatus(Struct, frozen=True):
    """What the controller wrote."""

    addresses: tuple[GatewayAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    attached_listener_sets: int | None = None


class Gateway(Object, frozen=True):
    """Ports of one class's proxy under an address of their own."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


GATEWAYS = Kind(f"{GROUP}/v1", "Gateway", "gateways", Gateway)

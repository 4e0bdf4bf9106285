"""Services of `core/v1`. Source: k8s.io/api `core/v1`."""

from __future__ import annotations

import msgspec

from podwire.kube.core import IntOrString
from podwire.kube.meta import Condition, Object, Struct

EXPOSED_TYPES = frozenset({"NodePort", "LoadBalancer"})
"""Types of Services that clients outside of the cluster use."""

BALANCER_IPS = "podwire.dev/load-balancer-ips"
"""Annotation: addresses that a load balancer of podwire gives to the Service, at most one of each family."""


class ServicePort(Struct, frozen=True):
    """One port of a Service. An absent targetPort is the port itself."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: IntOrString | None = None
    node_port: int | None = None
    app_protocol: str | None = None


class ClientIPConfig(Struct, frozen=True):
    """How long a client's connections go to one endpoint, in seconds after its last new one."""

    timeout_seconds: int | None = None


class SessionAffinityConfig(Struct, frozen=True):
    """The settings of session affinity, by its kind."""

    client_ip: ClientIPConfig | None = msgspec.field(default=None, name="clientIP")


class ServiceSpec(Struct, frozen=True):
    """The desired state of a Service. `clusterIP: None` (the text) makes it headless."""

    type: str = "ClusterIP"
    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    external_name: str = ""
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    publish_not_ready_addresses: bool = False
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    internal_traffic_policy: str | None = None
    external_traffic_policy: str = ""
    traffic_distribution: str | None = None
    health_check_node_port: int = 0
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    load_balancer_source_ranges: tuple[str, ...] = ()
    allocate_load_balancer_node_ports: bool | None = None


class LoadBalancerIngress(Struct, frozen=True):
    """An address of a load balancer. With `ipMode: Proxy` nodes leave it alone; absent means VIP."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = msgspec.field(default=None, name="ipMode")


class LoadBalancerStatus(Struct, frozen=True):
    """The addresses that a provider gave to a Service."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Struct, frozen=True):
    """The observed state of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[Condition, ...] = ()


class Service(Object, frozen=True):
    """A stable address for a changing set of pods."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def headless(self) -> bool:
        """True when DNS names resolve to the endpoints themselves."""
        return self.spec.cluster_ip == "None"

    @property
    def external_addresses(self) -> tuple[str, ...]:
        """The addresses of load balancers, and those that it names itself."""
        return (*(one.ip for one in self.status.load_balancer.ingress if one.ip), *self.spec.external_ips)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The cluster addresses, none for headless and ExternalName Services."""
        if self.spec.type == "ExternalName" or self.headless:
            return ()
        addresses = self.spec.cluster_ips or (self.spec.cluster_ip,)
        return tuple(address for address in addresses if address)

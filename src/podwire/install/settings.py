"""What an installation is made of: all that its manifests depend on."""

from __future__ import annotations

import importlib.metadata
import ipaddress
from collections.abc import Iterable

import msgspec

NAMESPACE = "kube-system"
RESOLV_CONF = "/etc/resolv.conf"
DNS_INDEX = 10
"""The cluster DNS has the tenth address of the first Service range, as kubeadm and kubelets configure it."""


class SettingsError(Exception):
    """Settings that make no installation. The text has the flag and the remedy."""


class Settings(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One installation.

    Attributes:
        image: the image of all programs.
        version: the release of podwire, as a label of every object.
        server: the API server's URL as nodes reach it; never the Service `kubernetes`, which the agents make.
        pod_cidrs: the ranges of all pods.
        service_cidrs: the ranges of Services.
        overlay: how packets travel between nodes: `--overlay` of the agent.
        overlay_accept: a second way that is received, while nodes change from one to the other; empty: none.
        mtu: the largest packet between nodes, in bytes; 0: that of each node's link.
        pod_access_cidrs: hosts that reach pods directly, as nodes do.
        replace_kube_proxy: whether the agents remove what kube-proxy left on their nodes.
        agent_flags: more flags of `podwire agent`, such as `--announce-cidrs=192.0.2.0/24`.
        dns: whether podwire serves the cluster's DNS.
        dns_addresses: addresses of the Service `kube-dns`; none: that Service belongs to another and remains as it is.
        dns_replicas: how many pods serve DNS.
        domain: the cluster domain.
        upstreams: DNS servers of other names, or files like resolv.conf that have them.
        pod_pools: pools of which nodes get ranges, as `podwire controller --pod-pool`; none: another allocates.
        namespace_pools: pools for pods of some namespaces, as `podwire controller --namespace-pool`.
        lb_pool: networks of which Services of type LoadBalancer get addresses.
        internal_lb_pool: networks of internal load balancers.
        controller_replicas: how many controllers there are; one leads.
        gateway_api: the channel of the Gateway API whose kinds are installed and served; none: no gateway controller.
        gateway_image: the image of the gateway controller and of Envoys; empty: that of `image` with `-gateway` in its
            name.
        envoys: how many Envoys each GatewayClass has.
        mesh: whether namespaces and Services can be enrolled into the mesh; its image is that of gateways.
        pod_monitors: whether there are PodMonitors of the Prometheus operator, and the agents' metrics listen on
            every address of the node.

    """

    image: str
    version: str
    server: str
    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]
    overlay: str = "direct"
    overlay_accept: str = ""
    mtu: int = 0
    pod_access_cidrs: tuple[str, ...] = ()
    replace_kube_proxy: bool = False
    agent_flags: tuple[str, ...] = ()
    dns: bool = True
    dns_addresses: tuple[str, ...] = ()
    dns_replicas: int = 2
    domain: str = "cluster.local"
    upstreams: tuple[str, ...] = (RESOLV_CONF,)
    pod_pools: tuple[str, ...] = ()
    namespace_pools: tuple[str, ...] = ()
    lb_pool: tuple[str, ...] = ()
    internal_lb_pool: tuple[str, ...] = ()
    controller_replicas: int = 2
    gateway_api: str = "none"
    gateway_image: str = ""
    envoys: int = 2
    pod_monitors: bool = False
    mesh: bool = False

    @property
    def has_controller(self) -> bool:
        """Whether the controller has anything to do."""
        return bool(self.pod_pools or self.namespace_pools or self.lb_pool or self.internal_lb_pool)

    @property
    def has_gateway(self) -> bool:
        """Whether Gateways are served."""
        return self.gateway_api != "none"

    @property
    def envoy_image(self) -> str:
        """The image of the gateway controller and of Envoys. Raises SettingsError for a digest without a name."""
        return self.gateway_image or gateway_image_of(self.image)

    @property
    def speaks_bgp(self) -> bool:
        """Whether the agents run bird."""
        return any(flag.startswith("--bgp-") for flag in self.agent_flags)


def own_version() -> str:
    """The release of this program."""
    return importlib.metadata.version("podwire")


def default_image(version: str) -> str:
    """The image of a release, as `make image` names it."""
    return f"podwire:{version}"


def gateway_image_of(image: str) -> str:
    """The image of gateways of the same release: `podwire-gateway:1` for `podwire:1`. Raises SettingsError."""
    if "@" in image:
        raise SettingsError(
            f"--image {image}: has a digest, which the image of gateways does not: give --gateway-image"
        )
    folder, slash, last = image.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{folder}{slash}{name}-gateway{colon}{tag}"


def dns_addresses(service_cidrs: Iterable[str]) -> tuple[str, ...]:
    """The address of the cluster DNS in each Service range. Raises SettingsError for a range that has no tenth one."""
    found = []
    for text in service_cidrs:
        block = ipaddress.ip_network(text)
        if block.num_addresses <= DNS_INDEX:
            raise SettingsError(f"--service-cidrs {text}: has no tenth address for the cluster DNS; give a larger one")
        found.append(str(block[DNS_INDEX]))
    return tuple(found)

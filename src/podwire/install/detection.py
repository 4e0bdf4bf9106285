"""Settings that a cluster has by itself: its ranges, its API server, its DNS, and what is in the way. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from podwire.component.other_networks import NETWORKS, is_kube_proxy, replaced
from podwire.install.manifests.dns_deployment import SERVICE_NAME
from podwire.install.manifests.manifest import NAME, NAME_LABEL
from podwire.install.settings import NAMESPACE, SettingsError
from podwire.kube.addresses import IPNetwork, parsed_network
from podwire.kube.apps import DaemonSet
from podwire.kube.core import Node, Pod
from podwire.kube.discovery import EndpointSlice
from podwire.kube.networking import ServiceCIDR
from podwire.kube.services import Service

USUAL_PREFIXES = {4: 16, 6: 56}
"""Sizes of the range of all pods where only those of nodes are known: the defaults of kubeadm, kind and k3s."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a cluster; what may not be read, or does not exist, is empty.

    `kubeadm` is its ClusterConfiguration, `cluster_info` and `kubeconfig` are URLs of the API server, and
    `controller_manager` the flags of that program.
    """

    nodes: tuple[Node, ...] = ()
    service_cidrs: tuple[ServiceCIDR, ...] = ()
    kubeadm: Mapping[str, Any] = {}
    cluster_info: str = ""
    kubeconfig: str = ""
    controller_manager: tuple[str, ...] = ()
    api_servers: tuple[EndpointSlice, ...] = ()
    dns_service: Service | None = None
    daemon_sets: tuple[DaemonSet, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """A value and where it was found."""

    value: Any
    source: str


def controller_manager_flags(pods: Iterable[Pod]) -> tuple[str, ...]:
    """The command lines of these static pods, as one list of words."""
    return tuple(word for pod in pods for one in pod.spec.containers for word in (*one.command, *one.args))


def service_cidrs(cluster: Cluster) -> Found:
    """The ranges of Services. Raises SettingsError where none are found."""
    for name, text in (
        ("ServiceCIDR objects", ",".join(text for one in cluster.service_cidrs for text in one.spec.cidrs)),
        ("kubeadm's configuration", _networking(cluster).get("serviceSubnet", "")),
        ("kube-controller-manager's flags", _flag(cluster, "--service-cluster-ip-range")),
    ):
        if ranges := _first_of_each_family(text):
            return Found(ranges, name)
    raise SettingsError("no ranges of Services are found in the cluster: give them, --service-cidrs 10.96.0.0/16")


def pod_cidrs(cluster: Cluster) -> Found:
    """The ranges of all pods. Raises SettingsError where none are found."""
    for name, text in (
        ("kubeadm's configuration", _networking(cluster).get("podSubnet", "")),
        ("kube-controller-manager's flags", _flag(cluster, "--cluster-cidr")),
    ):
        if ranges := _first_of_each_family(text):
            return Found(ranges, name)
    if ranges := _around_nodes(cluster):
        return Found(ranges, "the podCIDRs of the nodes, rounded up; give --pod-cidrs if the cluster's are others")
    raise SettingsError(
        "no ranges of pods are found (kubeadm's configuration, kube-controller-manager's --cluster-cidr, podCIDRs of "
        "nodes): give them, --pod-cidrs 10.244.0.0/16, or let podwire give nodes ranges of them, --pod-pool"
    )


def _networking(cluster: Cluster) -> Mapping[str, str]:
    return cluster.kubeadm.get("networking") or {}


def _flag(cluster: Cluster, name: str) -> str:
    return next((word.partition("=")[2] for word in cluster.controller_manager if word.startswith(f"{name}=")), "")


def _first_of_each_family(text: str) -> tuple[str, ...]:
    """The first range of each family, in the order of the text."""
    found: dict[int, str] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        block = ipaddress.ip_network(word, strict=False)
        found.setdefault(block.version, str(block))
    return tuple(found.values())


def _around_nodes(cluster: Cluster) -> tuple[str, ...]:
    texts = (text for node in cluster.nodes for text in _node_ranges(node))
    blocks = [block for block in map(parsed_network, texts) if block is not None]
    families = dict.fromkeys(block.version for block in blocks)
    return tuple(str(_around([one for one in blocks if one.version == version])) for version in families)


def _node_ranges(node: Node) -> tuple[str, ...]:
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def _around(blocks: list[IPNetwork]) -> IPNetwork:
    """The smallest network with all of these, but at least of the usual size."""
    found = blocks[0]
    if found.prefixlen > USUAL_PREFIXES[found.version]:
        found = found.supernet(new_prefix=USUAL_PREFIXES[found.version])
    while not all(_within(block, found) for block in blocks):
        found = found.supernet()
    return found


def _within(block: IPNetwork, whole: IPNetwork) -> bool:
    return block.network_address in whole and block.broadcast_address in whole


def server(cluster: Cluster, services: Iterable[str]) -> Found:
    """The URL of the API server as nodes reach it. Raises SettingsError where none is found.

    Never a loopback address, which is another host on each node, and never the Service `kubernetes`.
    """
    ranges = tuple(map(ipaddress.ip_network, services))
    for found in _servers(cluster):
        if _usable(found.value, ranges):
            return found
    raise SettingsError(
        "no address of the API server is found that nodes can connect to: give it, --server https://192.0.2.10:6443"
    )


def _servers(cluster: Cluster) -> Iterator[Found]:
    endpoint = cluster.kubeadm.get("controlPlaneEndpoint")
    if endpoint:
        port = "" if urlsplit(f"//{endpoint}").port else ":6443"
        yield Found(f"https://{endpoint}{port}", "kubeadm's controlPlaneEndpoint")
    if cluster.cluster_info:
        yield Found(cluster.cluster_info, "ConfigMap kube-public/cluster-info")
    addresses = [
        (address, port.port)
        for one in cluster.api_servers
        for port in one.ports
        for end in one.endpoints
        for address in end.addresses
    ]
    for address, number in addresses[:1]:
        host = f"[{address}]" if ":" in address else address
        others = f", the first of {len(addresses)}" if len(addresses) > 1 else ""
        yield Found(f"https://{host}:{number}", f"the endpoints of Service default/kubernetes{others}")
    if cluster.kubeconfig:
        yield Found(cluster.kubeconfig, "the kubeconfig")


def _usable(url: str, services: Iterable[IPNetwork]) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host not in {"", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
    return not address.is_loopback and not any(address in block for block in services)


def domain(cluster: Cluster) -> str:
    """The cluster domain."""
    return str(_networking(cluster).get("dnsDomain") or "cluster.local")


def kube_proxies(cluster: Cluster) -> list[DaemonSet]:
    """DaemonSets of kube-proxy that run somewhere."""
    return [one for one in cluster.daemon_sets if is_kube_proxy(one) and not replaced(one)]


def other_networks(cluster: Cluster) -> list[str]:
    """Pod networks of other projects, by name."""
    found = (one for one in cluster.daemon_sets if one.metadata.name in NETWORKS)
    return sorted(f"{NETWORKS[one.metadata.name]} (DaemonSet {one.key})" for one in found)


def foreign_dns(cluster: Cluster) -> bool:
    """Whether the Service of the cluster DNS belongs to another installation."""
    return cluster.dns_service is not None and cluster.dns_service.metadata.labels.get(NAME_LABEL) != NAME


def hints(cluster: Cluster, *, dns: bool) -> Iterator[str]:
    """What a user has to know before podwire is installed beside what is there."""
    for name in other_networks(cluster):
        yield (
            f"another pod network is installed: {name}. New pods get podwire's network if 05-podwire.conflist is the "
            "first file of /etc/cni/net.d; pods that run keep theirs until they are made again. The two do not reach "
            "each other's pods: remove the other one"
        )
    if foreign_dns(cluster) and dns:
        yield (
            f"Service {NAMESPACE}/{SERVICE_NAME} exists and keeps its address; podwire's DNS pods serve it "
            f"too. When they are ready, remove the other server ('kubectl -n {NAMESPACE} delete deployment coredns'), "
            "or give --no-dns"
        )

"""The plan of a cluster: hosts, addresses, ranges, and where its files are. Pure.

Network `underlay` is a bridge in the cluster's own network namespace, which is also the host `outside`: the router
of all hosts, and a client that is no node.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

API_PORT = 6443
CONTROL = "control"
OUTSIDE = "outside"
MAX_NODES = 9

UNDERLAY4 = ipaddress.ip_network("172.30.0.0/24")
UNDERLAY6 = ipaddress.ip_network("fd00:172:30::/64")
POD_RANGES = ("10.244.0.0/16", "fd00:10:244::/56")
SERVICE_RANGES = ("10.96.0.0/16", "fd00:10:96::/112")
BALANCER_RANGES = ("172.31.254.0/24", "fd00:172:31:254::/112")
"""Addresses of load balancers: `outside` finds them on the underlay, by ARP and neighbour discovery."""
CLIENT4, CLIENT6 = "203.0.113.1", "2001:db8:113::1"
"""What `outside` calls them from (RFC 5737, RFC 3849): the suite takes a client in the nodes' /16 for a masqueraded
one."""
DNS_ADDRESS = "10.96.0.10"
API_SERVICE_ADDRESSES = ("10.96.0.1", "fd00:10:96::1")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the underlay: its name, its number in the networks, and whether a kubelet runs there."""

    name: str
    number: int
    is_node: bool = True

    @property
    def address4(self) -> str:
        """Its IPv4 address."""
        return str(UNDERLAY4[self.number])

    @property
    def address6(self) -> str:
        """Its IPv6 address: with the same last digits as the IPv4 address."""
        return str(UNDERLAY6[int(str(self.number), 16)])


@dataclass(frozen=True)
class Layout:
    """What `up` was called with, and everything that follows from it.

    `apart` has the control plane on a host of its own that is no node; else it is on the first node. Without
    `pod_ranges` the controller manager gives nodes no podCIDRs.
    """

    name: str
    nodes: int
    folder: Path
    apart: bool = False
    pod_ranges: bool = True

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts: the control plane's first, if it has one of its own."""
        nodes = tuple(Host(f"node-{number}", 10 + number) for number in range(1, self.nodes + 1))
        return (Host(CONTROL, 10, is_node=False), *nodes) if self.apart else nodes

    @property
    def control(self) -> Host:
        """The host that the control plane runs on."""
        return self.hosts[0]

    @property
    def api_server(self) -> str:
        """The API server's URL inside of the cluster."""
        return f"https://{self.control.address4}:{API_PORT}"

    @property
    def context(self) -> str:
        """The name of the kubeconfig's context."""
        return f"podwire-cluster-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        """For programs on this machine, by a port of its loopback interface."""
        return self.folder / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """For programs inside of the cluster, by the control plane's address."""
        return self.folder / "kubeconfig-inside"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        """A file a program."""
        return self.folder / "logs"

    @property
    def programs(self) -> Path:
        """Links to all programs: the first folder of their PATH, in which containerd looks for its shim."""
        return self.folder / "bin"

    @property
    def etcd(self) -> Path:
        """The objects."""
        return self.folder / "etcd"

    def of(self, host: str) -> Path:
        """What a host keeps: configuration, and the stores of its kubelet and containerd."""
        return self.folder / "hosts" / host

    def socket(self, host: str) -> Path:
        """Where the host's first process, or that of `outside` the cluster's first process, takes requests."""
        return self.folder / f"{host}.sock"

    def host(self, name: str) -> Host:
        """The host of this name. Raises LookupError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LookupError(
            f"{name}: cluster {self.name} has {', '.join(host.name for host in self.hosts)} and {OUTSIDE}"
        )


def state_root() -> Path:
    """Where clusters are remembered: `podwire-cluster` below XDG_STATE_HOME, else below ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "podwire-cluster")


def folder_of(name: str) -> Path:
    """The folder of the cluster of this name."""
    return state_root() / name

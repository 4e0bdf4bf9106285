"""The programs of each host: command lines, and what each waits for before it starts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.cluster import credentials
from tools.cluster.configuration import CONTAINERD_SOCKET
from tools.cluster.layout import API_PORT, POD_RANGES, SERVICE_RANGES, Host, Layout
from tools.cluster.programs import Programs

ETCD_CLIENT = "127.0.0.1:2379"
ETCD_PEER = "127.0.0.1:2380"
CONTROLLERS_QPS, CONTROLLERS_BURST = 500, 1000
"""With the default of 20 a second the controllers' credentials alone take 6 s of the start."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """One program that runs as long as its host.

    `needs` must accept first: a socket's path, ADDRESS:PORT, or an https URL.
    """

    name: str
    argv: tuple[str, ...]
    needs: str = ""


def of(layout: Layout, host: Host, programs: Programs) -> tuple[Daemon, ...]:
    """The programs of a host, in the order of their start."""
    control = _control_plane(layout, programs) if host == layout.control else ()
    return (*control, *_node(layout, host, programs)) if host.is_node else control


def _control_plane(layout: Layout, programs: Programs) -> tuple[Daemon, ...]:
    ready = f"{layout.api_server}/readyz"
    return (
        Daemon("etcd", (str(programs["etcd"]), *_flags(_etcd(layout)))),
        Daemon("kube-apiserver", (str(programs["kube-apiserver"]), *_flags(_api_server(layout))), ETCD_CLIENT),
        Daemon(
            "kube-controller-manager",
            (str(programs["kube-controller-manager"]), *_flags(_controller_manager(layout))),
            ready,
        ),
        Daemon("kube-scheduler", (str(programs["kube-scheduler"]), *_flags(_scheduler(layout))), ready),
    )


def _node(layout: Layout, host: Host, programs: Programs) -> tuple[Daemon, ...]:
    folder = layout.of(host.name)
    kubelet = {
        "config": str(folder / "kubelet.json"),
        "kubeconfig": str(credentials.kubelet_kubeconfig(layout, host)),
        "hostname-override": host.name,
        "node-ip": f"{host.address4},{host.address6}",
    }
    return (
        Daemon("containerd", (str(programs["containerd"]), "--config", str(folder / "containerd.toml"))),
        Daemon("kubelet", (str(programs["kubelet"]), *_flags(kubelet)), CONTAINERD_SOCKET),
    )


def _etcd(layout: Layout) -> dict[str, str]:
    return {
        "data-dir": str(layout.etcd),
        "unsafe-no-fsync": "true",  # the objects end with the cluster
        "listen-client-urls": f"http://{ETCD_CLIENT}",
        "advertise-client-urls": f"http://{ETCD_CLIENT}",
        "listen-peer-urls": f"http://{ETCD_PEER}",
        "log-level": "warn",
    }


def _api_server(layout: Layout) -> dict[str, str]:
    pki = layout.pki
    apart = {"enable-aggregator-routing": "true"} if layout.apart else {}  # a host that is no node knows no Services
    return {
        "advertise-address": layout.control.address4,
        "bind-address": "::",
        "secure-port": str(API_PORT),
        "etcd-servers": f"http://{ETCD_CLIENT}",
        "service-cluster-ip-range": ",".join(SERVICE_RANGES),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "client-ca-file": str(pki / "ca.crt"),
        **_pair("tls-cert-file", "tls-private-key-file", pki / "apiserver"),
        "kubelet-certificate-authority": str(pki / "ca.crt"),
        **_pair("kubelet-client-certificate", "kubelet-client-key", pki / "apiserver-kubelet-client"),
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": str(pki / "service-accounts.crt"),
        "service-account-signing-key-file": str(pki / "service-accounts.key"),
        "requestheader-client-ca-file": str(pki / "front-proxy-ca.crt"),
        "requestheader-allowed-names": credentials.FRONT_PROXY,
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        **_pair("proxy-client-cert-file", "proxy-client-key-file", pki / credentials.FRONT_PROXY),
        **apart,
    }


def _controller_manager(layout: Layout) -> dict[str, str]:
    kubeconfig = str(credentials.program_kubeconfig(layout, credentials.CONTROLLERS))
    ranges = {
        "allocate-node-cidrs": "true",
        "cluster-cidr": ",".join(POD_RANGES),
        "node-cidr-mask-size-ipv4": "23",  # a /24 has room for 253 pods, and a node of the proof has more
        "node-cidr-mask-size-ipv6": "64",
    }
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "use-service-account-credentials": "true",
        "service-account-private-key-file": str(layout.pki / "service-accounts.key"),
        "root-ca-file": str(layout.pki / "ca.crt"),
        **_pair("cluster-signing-cert-file", "cluster-signing-key-file", layout.pki / "ca"),
        "service-cluster-ip-range": ",".join(SERVICE_RANGES),
        "kube-api-qps": str(CONTROLLERS_QPS),
        "kube-api-burst": str(CONTROLLERS_BURST),
        **(ranges if layout.pod_ranges else {"allocate-node-cidrs": "false"}),
    }


def _scheduler(layout: Layout) -> dict[str, str]:
    kubeconfig = str(credentials.program_kubeconfig(layout, credentials.SCHEDULER))
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
    }


def _pair(certificate: str, key: str, path: Path) -> dict[str, str]:
    """Two flags, for a certificate and its key."""
    return {certificate: f"{path}.crt", key: f"{path}.key"}


def _flags(values: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]

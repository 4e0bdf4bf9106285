"""The cluster's keys: its authority, servers and clients, and a kubeconfig for each client."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from podwire.pki.certificates import LOOPBACK, SERVER_NAMES, Authority, write
from tools.cluster.layout import API_SERVICE_ADDRESSES, Host, Layout

ADMIN, CONTROLLERS, SCHEDULER = "admin", "system:kube-controller-manager", "system:kube-scheduler"
MASTERS, NODES = "system:masters", "system:nodes"
FRONT_PROXY = "front-proxy-client"


def make(layout: Layout, port: int) -> None:
    """Write everything into the layout's folders. `port` is that of the API server on this machine's loopback."""
    layout.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, front = Authority.create("podwire-cluster"), Authority.create("front-proxy")
    for name, pair in {
        "ca": authority.pair,
        "front-proxy-ca": front.pair,
        FRONT_PROXY: front.client(FRONT_PROXY),
        "service-accounts": authority.client("service-accounts"),
        "apiserver": authority.server(SERVER_NAMES, _addresses(layout)),
        "apiserver-kubelet-client": authority.client("kube-apiserver-kubelet-client", [MASTERS]),
    }.items():
        write(layout.pki, name, pair)
    _kubeconfig(layout, layout.kubeconfig, authority, f"https://127.0.0.1:{port}", ADMIN, [MASTERS])
    _kubeconfig(layout, layout.inner_kubeconfig, authority, layout.api_server, ADMIN, [MASTERS])
    for user in (CONTROLLERS, SCHEDULER):
        _kubeconfig(layout, program_kubeconfig(layout, user), authority, layout.api_server, user, [])
    for host in layout.hosts:
        if host.is_node:
            _make_kubelet(layout, host, authority)


def program_kubeconfig(layout: Layout, user: str) -> Path:
    """The kubeconfig of one of the control plane's programs."""
    return layout.pki / f"{user.removeprefix('system:')}.kubeconfig"


def kubelet_kubeconfig(layout: Layout, host: Host) -> Path:
    """The kubeconfig of a node's kubelet."""
    return layout.of(host.name) / "kubelet.kubeconfig"


def _make_kubelet(layout: Layout, host: Host, authority: Authority) -> None:
    folder = layout.of(host.name)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "kubelet", authority.server([host.name], [host.address4, host.address6]))
    user = f"system:node:{host.name}"
    _kubeconfig(layout, kubelet_kubeconfig(layout, host), authority, layout.api_server, user, [NODES])


def _addresses(layout: Layout) -> list[str]:
    """All that the API server may be reached by: any host's address, for a control plane that moves."""
    hosts = [address for host in layout.hosts for address in (host.address4, host.address6)]
    return [*LOOPBACK, *API_SERVICE_ADDRESSES, *hosts]


def _kubeconfig(layout: Layout, path: Path, authority: Authority, server: str, user: str, groups: list[str]) -> None:
    """Write a kubeconfig that holds a certificate of its own."""
    pair = authority.client(user, groups)
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(document(layout.context, server, authority.pair.certificate, pair.certificate, pair.key))
    )


def document(name: str, server: str, authority: bytes, certificate: bytes, key: bytes) -> dict[str, object]:
    """A kubeconfig with one cluster, user and context, all of the same name (k8s.io/client-go clientcmd/api/v1)."""
    cluster = {"server": server, "certificate-authority-data": _base64(authority)}
    user = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _base64(text: bytes) -> str:
    return base64.b64encode(text).decode()

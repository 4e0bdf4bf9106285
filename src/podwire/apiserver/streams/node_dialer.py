"""How the API server reaches nodes: one protocol, and its implementation for kubelets that listen on TCP.

Streams of pods come from the kubelet of their node. The subresource `proxy` of pods and Services forwards to a backend:
either through its node, or from here where pods can be reached directly, as upstream's API server does it.
Source: k8s.io/kubernetes `pkg/kubelet/client/kubelet_client.go`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from podwire.http.reverse_proxy import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

FindNode = Callable[[str], Object | None]
"""The Node of a name; None where there is none."""

KUBELET_PORT = 10250
ADDRESS_TYPES = ("InternalIP", "ExternalIP", "Hostname")
"""The types of a node's addresses, the best first (`--kubelet-preferred-address-types` as kubeadm sets it)."""


class NodeUnknownError(LookupError):
    """A node cannot be dialled: it is not registered, has no address, or has a name that no node has."""


class NodeDialer(Protocol):
    """Where nodes, and what runs on them, answer. Opens no connection by itself."""

    def kubelet(self, node: str) -> Endpoint:
        """The kubelet's API of a node; raises NodeUnknownError."""

    def backend(self, node: str, scheme: str, address: str, port: int) -> Endpoint:
        """What listens on an address of a pod on a node, or of the node itself; raises NodeUnknownError."""


MakeDialer = Callable[[FindNode], NodeDialer]


class KubeletDialer:
    """Nodes whose kubelets listen on their own addresses, and pods that can be reached from here."""

    def __init__(self, find: FindNode, tls: ssl.SSLContext) -> None:
        self._find = find
        self._tls = tls

    def kubelet(self, node: str) -> Endpoint:
        """The kubelet at the node's best address and at the port of its `daemonEndpoints`."""
        found = self._find(node)
        if found is None:
            raise NodeUnknownError(f"node {node!r} is not registered")
        state = found.get("status") or {}
        address = next(_addresses(state), "")
        if not address:
            raise NodeUnknownError(f"node {node!r} has no address of the types {', '.join(ADDRESS_TYPES)}")
        daemon = (state.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        return Endpoint(f"https://{_host(address)}:{daemon.get('Port') or KUBELET_PORT}", tls=self._tls)

    def backend(self, node: str, scheme: str, address: str, port: int) -> Endpoint:
        """The backend itself. Its certificate is not checked: those of pods are unknown."""
        del node
        return Endpoint(f"{scheme}://{_host(address)}:{port}")


def kubelet_context(certificate_file: str, key_file: str, authority_file: str = "") -> ssl.SSLContext:
    """TLS to kubelets with a client certificate; theirs are checked where an authority is given, as upstream.

    Host names are not: a kubelet's certificate names its node, and it is dialled by address. Raises OSError.
    """
    context = ssl.create_default_context(cafile=authority_file or None)
    context.check_hostname = False
    if not authority_file:
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate_file, key_file)
    return context


def _addresses(state: Object) -> Iterator[str]:
    listed = state.get("addresses") or ()
    for kind in ADDRESS_TYPES:
        yield from (entry["address"] for entry in listed if entry.get("type") == kind and entry.get("address"))


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address

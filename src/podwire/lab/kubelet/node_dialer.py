"""How the API server of a world reaches its nodes: each kubelet listens on a unix socket in the node's folder.

The node makes the connections of the subresource `proxy` too, as only nodes reach pods directly.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from podwire.apiserver.streams.node_dialer import NodeUnknownError
from podwire.http.reverse_proxy import Endpoint

SOCKET = "runtime.sock"
URL = "http://kubelet"

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")


class UnixSocketDialer:
    """Nodes whose kubelets listen below one folder, each in the folder of its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kubelet(self, node: str) -> Endpoint:
        """The kubelet's socket. A name that could lead out of the folder raises NodeUnknownError."""
        return Endpoint(URL, self._socket(node))

    def backend(self, node: str, scheme: str, address: str, port: int) -> Endpoint:
        """A path of the node's kubelet that leads on to the address."""
        return Endpoint(f"{URL}/proxy/{scheme}/{quote(address, safe='')}/{port}", self._socket(node))

    def _socket(self, node: str) -> str:
        if not _NODE_NAME.match(node) or ".." in node:
            raise NodeUnknownError(f"spec.nodeName {node!r} is no node name")
        return str(self._folder / node / SOCKET)

"""What the two containers of the mesh's pod on a node share: a folder, the name of the proxy, ports of probes."""

from __future__ import annotations

PROXY = "mesh"
"""The proxy that a node's Envoy is of."""
FILES_PATH = "/run/envoy"
SOCKET = "xds.sock"
"""In the folder of both: where Envoy finds its configuration."""
ENVOY_PROBE_PORT, NODE_PROBE_PORT = 15021, 15020
"""On loopback addresses of the node: `/ready` and `/metrics` of Envoy; `/healthz`, `/readyz`, `/metrics` beside it."""
KEYS_SOCKET = "jwks.sock"
"""In the folder of both: where Envoy reads the key sets of issuers of tokens."""

"""The program of a mesh's pod that configures the node's Envoy, as the program of a pod in a world."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

OPTIONS = frozenset(
    {"node", "server", "signer", "signer-name", "signer-token", "trust-domain", "folder", "workload-api"}
)
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def mesh_node(arguments: Mapping[str, str]) -> None:
    """Configure Envoy until SIGTERM. Raises SystemExit for an option that is not known."""
    for name in arguments.keys() - OPTIONS:
        raise SystemExit(f"args: --{name}: is none of {', '.join(sorted(OPTIONS))}")
    from podwire.kube.credentials import Credentials
    from podwire.mesh.model.node_pod import NODE_PROBE_PORT
    from podwire.mesh.node import program

    config = program.NodeConfig(
        credentials=Credentials(arguments["server"], f"{ACCOUNT}/ca.crt", token_file=f"{ACCOUNT}/token"),
        node=arguments["node"],
        signer=arguments["signer"],
        signer_name=arguments["signer-name"],
        signer_token=arguments["signer-token"],
        trust_domain=arguments["trust-domain"],
        folder=arguments["folder"],
        workload_api=arguments.get("workload-api", ""),
        addresses=(("127.0.0.1", NODE_PROBE_PORT),),
    )
    program.main(config)


def python_folders() -> dict[str, str]:
    """Return the folders that Python imports from, as a container needs them: gRPC is loaded there only."""
    return {path: path for path in sys.path if os.path.isabs(path) and os.path.isdir(path)}

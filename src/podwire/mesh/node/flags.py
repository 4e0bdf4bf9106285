"""The flags and environment of `podwire mesh-node`: read once into a NodeConfig."""

from __future__ import annotations

from typing import Any

import click

from podwire.component.flags import credentials, probe_flag, program_flags
from podwire.component.imports import lasting
from podwire.mesh.model.node_pod import NODE_PROBE_PORT

FOLDER = click.Path(exists=True, file_okay=False)
FILE = click.Path(dir_okay=False)


@click.command()
@program_flags
@click.option("--node", required=True, envvar="NODE_NAME", show_envvar=True, metavar="NAME", help="Name of the node.")
@click.option("--signer", required=True, metavar="HOST:PORT", help="Where certificates are signed.")
@click.option("--signer-name", required=True, metavar="NAME", help="The DNS name in the signer's certificate.")
@click.option("--signer-token", type=FILE, required=True, help="The token that proves this pod to the signer.")
@click.option("--trust-domain", default="cluster.local", show_default=True, metavar="NAME", help="Of all identities.")
@click.option("--folder", type=FOLDER, required=True, help="Shared with Envoy: xDS is served on a socket in it.")
@click.option("--workload-api", default="", metavar="FOLDER", help="Where applications find the SPIFFE Workload API.")
@probe_flag(f"127.0.0.1:{NODE_PROBE_PORT}")
def command(**given: Any) -> None:
    """Configure the Envoy of a node of the mesh, and hold the certificates of the node's pods.

    It runs beside Envoy in each pod of the DaemonSet podwire-mesh. Envoy serves with what it has while this program is
    away.
    """
    with lasting():
        from podwire.mesh.node.program import main

    main(configuration(given))


def configuration(given: dict[str, Any]) -> Any:
    """The NodeConfig of these flags. Raises click.UsageError."""
    from podwire.mesh.node.program import NodeConfig

    return NodeConfig(credentials=credentials(given), **given)

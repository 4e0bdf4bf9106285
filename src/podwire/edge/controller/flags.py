"""The flags and environment of `podwire gateway-controller`: read once into a GatewayConfig."""

from __future__ import annotations

from typing import Any

import click

from podwire.component.flags import credentials, identity, identity_flag, own_addresses_flag, probe_flag, program_flags
from podwire.component.imports import lasting
from podwire.edge.controller import missing_packages
from podwire.edge.controller.xds_service import PROBE_PORT, XDS_PORT, XDS_SERVER

BIND_ADDRESS = f"0.0.0.0:{PROBE_PORT},[::]:{PROBE_PORT}"
ENVOY_VERB = "envoy"


@click.command()
@program_flags
@click.option("--envoy-image", "image", required=True, metavar="IMAGE", help="The image of Envoys' pods.")
@click.option("--envoys", "replicas", type=click.IntRange(1), default=2, show_default=True, help="Envoys of a proxy.")
@click.option(
    "--drain-seconds",
    type=click.IntRange(1, 3600),
    default=30,
    show_default=True,
    help="The longest time for which an Envoy that ends serves its connections.",
)
@click.option(
    "--xds-server",
    default=XDS_SERVER,
    show_default=True,
    metavar="HOST",
    help="Where Envoys find the xDS server of the controller that leads.",
)
@click.option("--xds-port", type=click.IntRange(1, 65535), default=XDS_PORT, show_default=True, help="Its port.")
@click.option("--xds-bind", "bind", default="[::]", show_default=True, metavar="ADDRESS", help="Where it listens.")
@own_addresses_flag("that Service")
@click.option(
    "--create-class/--no-create-class",
    "creates_class",
    default=True,
    show_default=True,
    help="Create the GatewayClass 'podwire' where no class is this controller's.",
)
@identity_flag
@probe_flag(BIND_ADDRESS)
def command(**given: Any) -> None:
    """Run the controller of the Gateway API: Envoys for Gateways, configured by delta xDS.

    Run two: both derive the same configuration, one leads. The leader alone serves xDS, as only the process that an
    Envoy is connected to knows what that Envoy has acknowledged, and writes status by it. When it ends the other one
    leads, and the Envoys connect to it; meanwhile they serve with the configuration that they have.

    \b
    podwire gateway-controller --server https://192.0.2.10:6443 --envoy-image podwire-gateway:0.1.0
    """
    if lacking := missing_packages.missing():
        raise click.ClickException(missing_packages.remedy(lacking))
    with lasting():
        from podwire.edge.controller.main import main

    main(configuration(given))


def configuration(given: dict[str, Any]) -> Any:
    """The GatewayConfig of these flags. Raises click.UsageError."""
    from podwire.edge.controller.main import GatewayConfig

    api = credentials(given)
    name = identity(given)
    server = given.pop("xds_server")
    return GatewayConfig(credentials=api, identity=name, server=server, envoy_command=(ENVOY_VERB,), **given)

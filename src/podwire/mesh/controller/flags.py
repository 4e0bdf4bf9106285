"""The flags and environment of `podwire mesh-controller`: read once into a MeshConfig."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from podwire.component.endpoints import BindAddressError, bind_address
from podwire.component.flags import credentials, identity, identity_flag, own_addresses_flag, probe_flag, program_flags
from podwire.component.imports import lasting
from podwire.edge.controller import missing_packages
from podwire.edge.controller.flags import ENVOY_VERB
from podwire.mesh.controller.signer_endpoint import PROBE_PORT, SERVER_NAME
from podwire.mesh.identity import spiffe
from podwire.mesh.identity.exchange import PORT
from podwire.mesh.identity.rotation import Lifetimes

BIND_ADDRESS = f"0.0.0.0:{PROBE_PORT},[::]:{PROBE_PORT}"
NODE_VERB = "mesh-node"
SHORTEST_LEAF = timedelta(minutes=10)
"""Twice the five minutes that clocks may differ by."""


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Lifetime(click.ParamType[Any]):
    """A whole number and m, h or d."""

    name = "LIFETIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The time."""
        if isinstance(value, timedelta):
            return value
        unit = _UNITS.get(value[-1:])
        if unit is None or not value[:-1].isdecimal() or not value.isascii() or int(value[:-1]) > 100_000:
            self.fail(f"{value!r} is no lifetime: write a whole number and m, h or d, such as 24h", param, ctx)
        return timedelta(**{unit: int(value[:-1])})


@click.command()
@program_flags
@click.option("--mesh-image", "image", required=True, metavar="IMAGE", help="The image of the mesh's pods on nodes.")
@click.option(
    "--trust-domain",
    default=spiffe.DEFAULT_TRUST_DOMAIN,
    show_default=True,
    metavar="NAME",
    help="The trust domain of all SPIFFE ids. It cannot be changed without another authority.",
)
@click.option("--leaf-lifetime", type=Lifetime(), default="24h", show_default=True, help="Of certificates of pods.")
@click.option(
    "--intermediate-lifetime",
    type=Lifetime(),
    default="30d",
    show_default=True,
    help="Of intermediates that the cluster makes itself: where it has the key of the root.",
)
@click.option(
    "--root-lifetime",
    type=Lifetime(),
    default="3650d",
    show_default=True,
    help="Of roots that the cluster makes itself.",
)
@click.option(
    "--node-server",
    default="",
    metavar="URL",
    help="The API server as nodes reach it.  [default: as this program does]",
)
@click.option(
    "--node-bind-address",
    "node_addresses",
    default="",
    metavar="ADDRESSES",
    help="Where /metrics of the mesh's pods on nodes answers.  [default: a loopback address of the node]",
)
@click.option(
    "--signer",
    default=f"{SERVER_NAME}:{PORT}",
    show_default=True,
    metavar="HOST:PORT",
    help="Where nodes find the signer of the controller that leads.",
)
@click.option("--signer-port", "port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Its port.")
@click.option("--signer-bind", "bind", default="::", show_default=True, metavar="ADDRESS", help="Where it listens.")
@own_addresses_flag("the signer's Service")
@identity_flag
@probe_flag(BIND_ADDRESS)
def command(**given: Any) -> None:
    """Run the controller of the mesh: identities, certificates, and its pods on nodes.

    Run two: one leads. The leader signs what nodes request, rotates the authority, and creates the DaemonSet
    podwire-system/podwire-mesh when the first namespace, Service or pod is enrolled. While none leads, certificates
    remain valid: nodes replace them at half of their life.

    \b
    podwire mesh-controller --server https://192.0.2.10:6443 --mesh-image podwire-gateway:0.1.0
    """
    if lacking := missing_packages.missing():
        raise click.ClickException(missing_packages.remedy(lacking))
    with lasting():
        from podwire.mesh.controller.main import main

    main(configuration(given))


def configuration(given: dict[str, Any]) -> Any:
    """The MeshConfig of these flags. Raises click.UsageError."""
    from podwire.mesh.controller.daemon_set import NodeSettings
    from podwire.mesh.controller.main import MeshConfig

    server = given["server"]
    api = credentials(given)
    name = identity(given)
    try:
        domain = spiffe.trust_domain(given.pop("trust_domain"))
    except spiffe.SpiffeError as error:
        raise click.UsageError(f"--trust-domain: {error}") from None
    lifetimes = Lifetimes(given.pop("leaf_lifetime"), given.pop("intermediate_lifetime"), given.pop("root_lifetime"))
    if not SHORTEST_LEAF <= lifetimes.leaf < lifetimes.intermediate < lifetimes.root:
        raise click.UsageError(
            "--leaf-lifetime must be 10m or more, shorter than that of the intermediate, and that than the root's"
        )
    image = given.pop("image")
    nodes = NodeSettings(
        image,
        given.pop("signer"),
        SERVER_NAME,
        command=(NODE_VERB,),
        envoy_image=image,
        envoy_command=(ENVOY_VERB,),
        server=given.pop("node_server") or server,
        trust_domain=domain,
        bind_address=_checked(given.pop("node_addresses")),
    )
    return MeshConfig(credentials=api, identity=name, nodes=nodes, trust_domain=domain, lifetimes=lifetimes, **given)


def _checked(addresses: str) -> str:
    """Return addresses as they are given. Raises click.UsageError."""
    try:
        for one in filter(None, addresses.split(",")):
            bind_address(one)
    except BindAddressError as error:
        raise click.UsageError(f"--node-bind-address: {error}") from None
    return addresses

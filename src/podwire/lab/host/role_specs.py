"""The processes of a world, as pid 1 keeps them alive. Pure: a topology in, a list out."""

from __future__ import annotations

from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.network.topology import NodeAddresses, Topology
from podwire.lab.supervisor.role_states import RoleSpec

UNDERLAY = "underlay"
API_SERVER = "apiserver"


def world_roles(topology: Topology, services: ServiceOptions, folder: Path, images: Path) -> tuple[RoleSpec, ...]:
    """All roles. `folder` is the world's folder on the host, with its keys in `pki`; `images` is its user's."""
    paths_of = {"pki": str(folder / "pki"), "images": str(images)}
    arguments = {**topology.arguments(), **services.arguments(), **paths_of}
    underlay = str(paths.network("underlay"))
    return (
        RoleSpec(UNDERLAY, "podwire.lab.roles.entrypoints:underlay", "", arguments, once=True),
        RoleSpec(
            API_SERVER,
            "podwire.lab.roles.entrypoints:apiserver",
            underlay,
            arguments,
            after=(UNDERLAY,),
            inherits=("api",),
        ),
        RoleSpec(
            "controllers",
            "podwire.lab.roles.entrypoints:controllers",
            underlay,
            arguments,
            after=(UNDERLAY,),
        ),
        RoleSpec(
            "upstream",
            "podwire.lab.roles.entrypoints:upstream",
            str(paths.network("outside")),
            arguments,
            after=(UNDERLAY,),
        ),
        *(role for node in topology.all_nodes() for role in _node_roles(node, arguments)),
        RoleSpec(
            "bootstrap",
            "podwire.lab.roles.entrypoints:bootstrap",
            str(paths.network(topology.node(1).name)),
            arguments,
            once=True,
            after=(UNDERLAY,),
            inherits=("progress",),
        ),
    )


def _node_roles(node: NodeAddresses, arguments: dict[str, str]) -> tuple[RoleSpec, ...]:
    number = node.name.removeprefix("node-")
    mine = {**arguments, "node": number}
    network = str(paths.network(node.name))
    return (
        RoleSpec(
            f"agent-{node.name}",
            "podwire.lab.roles.entrypoints:agent",
            network,
            mine,
            after=(UNDERLAY,),
        ),
        RoleSpec(
            f"runtime-{node.name}",
            "podwire.lab.roles.entrypoints:runtime",
            network,
            mine,
            after=(UNDERLAY,),
        ),
    )

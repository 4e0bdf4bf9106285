"""The processes of a world, as pid 1 keeps them alive. Pure: a topology in, a list out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.host.policy_options import PolicyOptions
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.network.topology import NodeAddresses, Topology
from podwire.lab.supervisor.role_states import RoleSpec

UNDERLAY = "underlay"
API_SERVER = "apiserver"
BOOTSTRAP = "bootstrap"
RELAY = "relay"
GATEWAY_CONTROLLER = "gateway-controller"
MESH_CONTROLLER = "mesh-controller"
DEFAULT_POLICIES = PolicyOptions()
LOW_PORTS = "low-ports"
"""The name of the descriptor that is connected to the process for ports below 1024."""


def world_roles(
    topology: Topology,
    services: ServiceOptions,
    folder: Path,
    images: Path,
    sockets: Sequence[str] = (),
    policies: PolicyOptions = DEFAULT_POLICIES,
) -> tuple[RoleSpec, ...]:
    """All roles. `folder` is the world's folder on the host, with its keys in `pki`; `images` is its user's.

    `sockets` are the names of the descriptors that the relay inherits.
    """
    paths_of = {"pki": str(folder / "pki"), "images": str(images), "folder": str(folder)}
    arguments = {**topology.arguments(), **services.arguments(), **policies.arguments(), **paths_of}
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
        *(_on_demand(name, underlay, arguments) for name in (GATEWAY_CONTROLLER, MESH_CONTROLLER)),
        *_router(services, arguments),
        *(role for node in topology.all_nodes() for role in _node_roles(node, arguments)),
        RoleSpec(
            BOOTSTRAP,
            "podwire.lab.roles.entrypoints:bootstrap",
            str(paths.network(topology.node(1).name)),
            arguments,
            once=True,
            after=(UNDERLAY,),
            inherits=("progress",),
        ),
        _relay(services, arguments, sockets),
    )


def _on_demand(name: str, network: str, arguments: dict[str, str]) -> RoleSpec:
    """A controller that few worlds need."""
    entry = f"podwire.lab.roles.entrypoints:{name.replace('-', '_')}"
    return RoleSpec(name, entry, network, arguments, after=(BOOTSTRAP,), on_demand=True)


def _router(services: ServiceOptions, arguments: dict[str, str]) -> tuple[RoleSpec, ...]:
    if not services.bgp:
        return ()
    outside = str(paths.network("outside"))
    return (RoleSpec("router", "podwire.lab.roles.entrypoints:router", outside, arguments, after=(UNDERLAY,)),)


def _relay(services: ServiceOptions, arguments: dict[str, str], sockets: Sequence[str]) -> RoleSpec:
    """In the host's network namespace, and not before it is needed: after the start, or on demand by a Service."""
    return RoleSpec(
        RELAY,
        "podwire.lab.roles.entrypoints:relay",
        "",
        arguments,
        after=(BOOTSTRAP,),
        inherits=tuple(sockets),
        on_demand=not services.published,
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

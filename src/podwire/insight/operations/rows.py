"""The rows of nodes: what their agents want in the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from podwire.agent import rows_socket
from podwire.insight.operations.node_commands import NodeAnswer, reached, run_on_all
from podwire.insight.operations.programs import ClusterError
from podwire.insight.target import Target
from podwire.kube.client import Client
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError

STATE = Path("/var/lib/podwire")
"""Where an agent has its sockets, unless it has another --state-dir."""


def of_nodes(target: Target, capability: str, nodes: Sequence[str]) -> list[NodeAnswer]:
    """Return the rows of one capability on each of these nodes, by default on all.

    Raises ClusterError, WorldError and UnreachableError.
    """
    if target.world is not None:
        return _of_world(target.world, capability, nodes)

    async def question(client: Client) -> list[NodeAnswer]:
        return await run_on_all(client, await reached(client, nodes), lambda _: ("rows", capability))

    return target.read(question)


def _of_world(world: World, capability: str, nodes: Sequence[str]) -> list[NodeAnswer]:
    names = nsenter.node_names(world)
    unknown = [name for name in nodes if name not in names]
    if unknown:
        raise WorldError(f"--node {unknown[0]}: is none of {', '.join(names)}")
    return [_of_world_node(world, node, capability) for node in nodes or names]


def _of_world_node(world: World, node: str, capability: str) -> NodeAnswer:
    try:
        return NodeAnswer(node, nsenter.rows(world, node, capability).encode())
    except WorldError as error:
        return NodeAnswer(node, error=str(error))


def of_this_node(capability: str, state: Path = STATE) -> str:
    """Return the rows that the agent of this machine wants. Raises ClusterError where it does not answer."""
    path = state / "rows.sock"
    try:
        return rows_socket.read(path, capability)
    except OSError as error:
        raise ClusterError(f"{path}: no agent answers: {error}; see 'podwire logs agent'") from error

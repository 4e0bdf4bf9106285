"""What is requested of each node: in a cluster of its agent's pod, in a world of its namespaces. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwire.insight.doctor.node_facts import NodeRequest, Peer
from podwire.kube.core import Node
from podwire.kube.credentials import SERVICE_ACCOUNT, Credentials
from podwire.lab.base import paths
from podwire.lab.host import credentials
from podwire.lab.host.worlds import World
from podwire.lab.network.topology import Topology

PEERS = 3
"""Nodes that each node sends packets of full size to: each is then reached by as many others."""


def peers(nodes: Sequence[Node], name: str) -> Iterator[Peer]:
    """Return the addresses of the next nodes after one of this name, in a ring of all names."""
    others = sorted(nodes, key=lambda node: (node.metadata.name <= name, node.metadata.name))
    for node in [one for one in others if one.metadata.name != name][:PEERS]:
        for address in node.internal_addresses:
            yield Peer(node.metadata.name, address)


def of_cluster(nodes: Sequence[Node], name: str, dns: tuple[str, ...], server: str) -> NodeRequest:
    """Return the request to a pod; `server` is the URL that its agent uses."""
    token, authority = str(SERVICE_ACCOUNT / "token"), str(SERVICE_ACCOUNT / "ca.crt")
    return NodeRequest(
        name,
        _addresses(nodes, name),
        Credentials(server, authority, token_file=token) if server else None,
        peers=tuple(peers(nodes, name)),
        dns=dns,
    )


def of_world(nodes: Sequence[Node], name: str, dns: tuple[str, ...], world: World) -> NodeRequest:
    """Return the request to a node of a world."""
    folder = paths.node(name)
    keys = credentials.agent_of(name)
    return NodeRequest(
        name,
        _addresses(nodes, name),
        credentials.of_folder(world.folder / "pki", keys, Topology(nodes=world.nodes).api_server),
        str(folder / "rows.sock"),
        str(folder / "net.d"),
        str(paths.CNI_PLUGINS),
        tuple(peers(nodes, name)),
        dns,
    )


def _addresses(nodes: Sequence[Node], name: str) -> tuple[str, ...]:
    return next((node.internal_addresses for node in nodes if node.metadata.name == name), ())

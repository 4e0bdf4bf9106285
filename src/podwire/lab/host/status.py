"""What `podwire status` shows of a world. The facts are read from its API server; the text is pure."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import msgspec

from podwire.kube.client import Client
from podwire.kube.core import Node
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import ENDPOINT_SLICES, NODES, SERVICES
from podwire.lab.base.text_columns import table
from podwire.lab.host import service_lines
from podwire.lab.host.pod_reports import POD_REPORTS, PodReport
from podwire.lab.host.service_lines import ServiceLine
from podwire.lab.host.worlds import World, WorldError
from podwire.lab.network.pools import INTERNAL
from podwire.lab.relay import table as table_file
from podwire.lab.relay.forwards import Forward, serving_nodes

LONGEST_LINE = 4096
"""Bytes of a log that are looked at for its last line."""


class NodeLine(msgspec.Struct, frozen=True):
    """One node."""

    name: str
    ready: bool
    addresses: tuple[str, ...]
    pods: int


class PodLine(msgspec.Struct, frozen=True):
    """One pod; `stand_ins` names the images that something else answers for."""

    namespace: str
    name: str
    phase: str
    node: str
    addresses: tuple[str, ...]
    stand_ins: tuple[str, ...]
    runs: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """A world and what is in it."""

    name: str
    context: str
    api: str
    overlay: str
    first_process: int
    kubeconfig: str
    nodes: tuple[NodeLine, ...]
    pods: tuple[PodLine, ...]
    services: tuple[ServiceLine, ...] = ()
    policy_on_established: str = "cut"
    default_deny: bool = False


async def gather(world: World, credentials: Credentials) -> Status:
    """Query the world's API server. Raises WorldError with the end of its log if it does not answer."""
    try:
        async with Client(credentials) as client:
            nodes = (await client.list(NODES)).items
            pods = (await client.list(POD_REPORTS)).items
            services = await _service_lines(world, client, nodes)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WorldError(silence(world.name, last_line(world.folder / "logs" / "apiserver.log"))) from error
    return Status(
        name=world.name,
        context=world.context,
        api=credentials.server,
        overlay=world.overlay,
        first_process=world.pid,
        kubeconfig=str(world.kubeconfig),
        nodes=tuple(_node_line(node, pods) for node in nodes),
        pods=tuple(_pod_line(pod) for pod in pods),
        services=services,
        policy_on_established=world.policy_on_established,
        default_deny=world.default_deny,
    )


async def _service_lines(world: World, client: Client, nodes: list[Node]) -> tuple[ServiceLine, ...]:
    services = (await client.list(SERVICES)).items
    local = any(service.spec.external_traffic_policy == "Local" for service in services)
    slices = (await client.list(ENDPOINT_SLICES)).items if local else []

    def answering(forward: Forward) -> list[str]:
        found = serving_nodes(forward.service, slices) if forward.local else None
        ready = (node for node in nodes if node.ready and (found is None or node.metadata.name in found))
        return [address for node in ready for address in node.internal_addresses]

    return service_lines.lines(services, answering, INTERNAL, table_file.read(world.folder))


def silence(name: str, last_line: str) -> str:
    """Return the error for a world whose API server does not answer."""
    hint = f"'podwire logs --name {name} apiserver' has more"
    return f"the API server of world '{name}' does not answer; its log ends: {last_line or 'nothing'}; {hint}"


def last_line(path: Path) -> str:
    """Return the last line of a log that is not blank; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _node_line(node: Node, pods: list[PodReport]) -> NodeLine:
    count = sum(pod.spec.node_name == node.metadata.name for pod in pods)
    return NodeLine(node.metadata.name, node.ready, node.internal_addresses, count)


def _pod_line(pod: PodReport) -> PodLine:
    return PodLine(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        phase=pod.status.phase,
        node=pod.spec.node_name,
        addresses=tuple(entry.ip for entry in pod.status.pod_ips),
        stand_ins=pod.stand_ins,
        runs=tuple(dict.fromkeys(container.runs for container in pod.status.container_statuses)),
    )


def text(status: Status) -> str:
    """The status for a reader."""
    denied = "; default deny" if status.default_deny else ""
    lines = [
        f"World {status.name}",
        f"  API         {status.api}",
        f"  context     {status.context}",
        f"  kubeconfig  {status.kubeconfig}",
        f"  overlay     {status.overlay}",
        f"  policy      on established connections: {status.policy_on_established}{denied}",
        f"  process     {status.first_process}",
        "",
        *table([("NODE", "READY", "PODS", "ADDRESSES"), *map(_node_cells, status.nodes)]),
        "",
        *table([("POD", "PHASE", "NODE", "ADDRESS", "RUNS"), *map(_pod_cells, status.pods)]),
    ]
    if status.services:
        lines += ["", *service_lines.text(status.services)]
    if any(pod.stand_ins for pod in status.pods):
        lines += ["", "A stand-in answers in place of an image that is not on this machine."]
    return "\n".join(lines)


def _node_cells(node: NodeLine) -> tuple[str, ...]:
    return node.name, "yes" if node.ready else "no", str(node.pods), " ".join(node.addresses)


def _pod_cells(pod: PodLine) -> tuple[str, ...]:
    runs = ", ".join(pod.runs) or "nothing yet"
    return f"{pod.namespace}/{pod.name}", pod.phase, pod.node, pod.addresses[0] if pod.addresses else "-", runs

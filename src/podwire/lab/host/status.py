"""What `podwire status` shows of a world. The facts are read from its API server; the text is pure."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import msgspec

from podwire.kube.client import Client
from podwire.kube.core import Node, PodIP
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import NODES, SERVICES, Kind
from podwire.kube.meta import Object, Struct
from podwire.kube.services import Service
from podwire.lab.base.text_columns import table
from podwire.lab.host import service_lines
from podwire.lab.host.service_lines import ServiceLine
from podwire.lab.host.worlds import World, WorldError
from podwire.lab.kubelet.pod_events import MACHINE
from podwire.lab.network.pools import INTERNAL
from podwire.lab.relay import table as table_file

STAND_IN_PREFIX = "podwire://stand-in/"
IN_HOUSE_PREFIX = "podwire://in-house/"
LONGEST_LINE = 4096
"""Bytes of a log that are looked at for its last line."""

ON_THEIR_WAY = frozenset({"ContainerCreating", "PodInitializing"})


class WaitingReport(Struct, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class StateReport(Struct, frozen=True):
    """The part of a container's state that is shown."""

    waiting: WaitingReport | None = None


class ContainerReport(Struct, frozen=True):
    """The part of a containerStatus that shows what really runs."""

    name: str = ""
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    restart_count: int = 0
    state: StateReport = StateReport()

    @property
    def runs(self) -> str:
        """What runs for the image, or why nothing does."""
        if self.state.waiting is not None and self.state.waiting.reason not in ON_THEIR_WAY:
            return f"nothing: {self.state.waiting.reason}"
        if self.image_id.startswith(STAND_IN_PREFIX):
            return f"stand-in for {self.image}"
        if self.image_id.startswith(MACHINE):
            return "this machine's programs"
        return "podwire's own program" if self.image_id.startswith(IN_HOUSE_PREFIX) else f"image {self.image}"


class PodReportStatus(Struct, frozen=True):
    """The part of a pod's status that is shown."""

    phase: str = ""
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    container_statuses: tuple[ContainerReport, ...] = ()


class PodReportSpec(Struct, frozen=True):
    """The part of a pod's spec that is shown."""

    node_name: str = ""


class PodReport(Object, frozen=True):
    """A pod as far as it is shown."""

    spec: PodReportSpec = PodReportSpec()
    status: PodReportStatus = PodReportStatus()

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The images that are not on this machine and have a stand-in in their place."""
        return tuple(c.image for c in self.status.container_statuses if c.image_id.startswith(STAND_IN_PREFIX))


POD_REPORTS = Kind("v1", "Pod", "pods", PodReport)


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


async def gather(world: World, credentials: Credentials) -> Status:
    """Query the world's API server. Raises WorldError with the end of its log if it does not answer."""
    try:
        async with Client(credentials) as client:
            nodes = (await client.list(NODES)).items
            pods = (await client.list(POD_REPORTS)).items
            services = (await client.list(SERVICES)).items
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
        services=_service_lines(world, nodes, services),
    )


def _service_lines(world: World, nodes: list[Node], services: list[Service]) -> tuple[ServiceLine, ...]:
    ready = next((node for node in nodes if node.ready), None)
    addresses = ready.internal_addresses if ready is not None else ()
    return service_lines.lines(services, addresses, INTERNAL, table_file.read(world.folder))


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
    lines = [
        f"World {status.name}",
        f"  API         {status.api}",
        f"  context     {status.context}",
        f"  kubeconfig  {status.kubeconfig}",
        f"  overlay     {status.overlay}",
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

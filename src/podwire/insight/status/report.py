"""The state of podwire in a cluster, from the objects of its API server, and its text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from podwire.insight.operations.programs import Program, ProgramPod
from podwire.kube.core import FINISHED, Node
from podwire.kube.meta import Object, Struct
from podwire.kube.services import Service
from podwire.lab.base.text_columns import table

PROXY_LABELS = ("k8s-app", "kube-proxy")
NO_ADDRESS = "no address yet"


class PlacedPodSpec(Struct, frozen=True):
    """Where a pod runs."""

    node_name: str = ""


class PlacedPodStatus(Struct, frozen=True):
    """Whether a pod runs."""

    phase: str = ""


class PlacedPod(Object, frozen=True):
    """A pod as far as pods are counted."""

    spec: PlacedPodSpec = PlacedPodSpec()
    status: PlacedPodStatus = PlacedPodStatus()


class NodeState(msgspec.Struct, frozen=True):
    """One node. `agent` is "ready" or why podwire's agent is not; `pods` counts those that have not ended.

    `policy_on_established` is "cut" or "keep"; empty without an agent.
    """

    name: str
    ready: bool
    agent: str
    version: str
    overlay: str
    pods: int
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    policy_on_established: str = ""


class ProgramState(msgspec.Struct, frozen=True):
    """One pod of the DNS or of the controller."""

    program: str
    name: str
    node: str
    version: str
    state: str
    restarts: int


class BalancerState(msgspec.Struct, frozen=True):
    """One Service of type LoadBalancer."""

    namespace: str
    name: str
    addresses: tuple[str, ...]
    ports: tuple[str, ...]


class ClusterStatus(msgspec.Struct, frozen=True):
    """Everything that is shown. `kube_proxy` counts its pods."""

    context: str
    api: str
    kubernetes: str
    nodes: tuple[NodeState, ...]
    programs: tuple[ProgramState, ...]
    kube_proxy: int
    balancers: tuple[BalancerState, ...]


class ClusterObjects(msgspec.Struct, frozen=True):
    """The objects of an API server that a status is made from."""

    kubernetes: str
    nodes: Sequence[Node]
    pods: Sequence[PlacedPod]
    programs: Sequence[ProgramPod]
    services: Sequence[Service]


def status(context: str, api: str, objects: ClusterObjects) -> ClusterStatus:
    """Return the state of podwire in a cluster."""
    living = [pod for pod in objects.pods if pod.status.phase not in FINISHED]
    counts = Counter(pod.spec.node_name for pod in living)
    agents = {pod.node: pod for pod in objects.programs if pod.program is Program.AGENT}
    key, value = PROXY_LABELS
    return ClusterStatus(
        context,
        api,
        objects.kubernetes,
        tuple(_node(node, agents.get(node.metadata.name), counts[node.metadata.name]) for node in objects.nodes),
        tuple(_program(pod) for pod in objects.programs if pod.program is not Program.AGENT),
        sum(pod.metadata.labels.get(key) == value for pod in living),
        tuple(_balancers(objects.services)),
    )


def _node(node: Node, agent: ProgramPod | None, pods: int) -> NodeState:
    return NodeState(
        node.metadata.name,
        node.ready,
        "no pod" if agent is None else agent.trouble or "ready",
        "" if agent is None else agent.version,
        "" if agent is None else agent.flag("overlay") or "direct",
        pods,
        node.internal_addresses,
        node.spec.pod_cidrs,
        "" if agent is None else agent.flag("policy-on-established") or "cut",
    )


def _program(pod: ProgramPod) -> ProgramState:
    return ProgramState(pod.program, pod.key.name, pod.node, pod.version, pod.trouble or "ready", pod.restarts)


def _balancers(services: Sequence[Service]) -> Iterator[BalancerState]:
    for service in services:
        if service.spec.type == "LoadBalancer":
            found = tuple(one.ip or one.hostname for one in service.status.load_balancer.ingress)
            ports = tuple(f"{one.port}/{one.protocol}" for one in service.spec.ports)
            yield BalancerState(service.metadata.namespace, service.metadata.name, found, ports)


def text(shown: ClusterStatus) -> str:
    """The status for a reader."""
    lines = [f"Cluster {shown.context}", f"  API         {shown.api}", f"  Kubernetes  {shown.kubernetes}"]
    established = sorted({node.policy_on_established for node in shown.nodes} - {""})
    if established:
        lines.append(f"  policy      on established connections: {', '.join(established)}")
    if shown.kube_proxy:
        lines.append(f"  kube-proxy  {shown.kube_proxy} pods run beside podwire: see 'podwire doctor'")
    head: tuple[str, ...] = ("NODE", "READY", "AGENT", "VERSION", "OVERLAY", "PODS", "ADDRESSES", "POD RANGES")
    lines += ["", *table([head, *map(_node_cells, shown.nodes)])]
    if shown.programs:
        head = ("PROGRAM", "POD", "NODE", "VERSION", "STATE", "RESTARTS")
        lines += ["", *table([head, *map(_program_cells, shown.programs)])]
    if shown.balancers:
        lines += ["", *table([("LOAD BALANCER", "ADDRESS", "PORTS"), *map(_balancer_cells, shown.balancers)])]
    return "\n".join(lines)


def _node_cells(node: NodeState) -> tuple[str, ...]:
    ready = "yes" if node.ready else "no"
    ranges = " ".join(node.pod_cidrs) or "none"
    version, overlay = node.version or "-", node.overlay or "-"
    return node.name, ready, node.agent, version, overlay, str(node.pods), " ".join(node.addresses) or "-", ranges


def _program_cells(pod: ProgramState) -> tuple[str, ...]:
    return pod.program, pod.name, pod.node or "-", pod.version or "-", pod.state, str(pod.restarts)


def _balancer_cells(one: BalancerState) -> tuple[str, ...]:
    return f"{one.namespace}/{one.name}", " ".join(one.addresses) or NO_ADDRESS, " ".join(one.ports)

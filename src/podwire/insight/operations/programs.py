"""The pods of podwire's programs in a cluster, and whether commands can be run in them."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec

from podwire.insight.pod_reading import PODS, PodReading, cause
from podwire.kube.client import ApiError, Client
from podwire.kube.meta import NamespacedName

NAMESPACE = "kube-system"
VERSION_LABEL = "app.kubernetes.io/version"


class ClusterError(Exception):
    """A cluster cannot answer. The text names the object and the remedy."""


class Program(enum.StrEnum):
    """One of podwire's programs; its value is the name of its container."""

    AGENT = "agent"
    DNS = "dns"
    CONTROLLER = "controller"
    GATEWAY = "gateway-controller"

    @property
    def selector(self) -> str:
        """The labels of its pods."""
        return {"agent": "k8s-app=podwire-agent", "dns": "k8s-app=kube-dns"}.get(
            self, f"app.kubernetes.io/name=podwire,app.kubernetes.io/component={self}"
        )


class ProgramPod(msgspec.Struct, frozen=True):
    """A pod of a program. `trouble` is why it is not ready; empty where it is."""

    key: NamespacedName
    program: Program
    node: str
    version: str = ""
    trouble: str = ""
    restarts: int = 0
    image: str = ""
    arguments: tuple[str, ...] = ()

    def flag(self, name: str) -> str:
        """The value of a flag that its program is started with; empty without it."""
        for position, word in enumerate(self.arguments):
            if word.startswith(f"--{name}="):
                return word.partition("=")[2]
            if word == f"--{name}" and position + 1 < len(self.arguments):
                return self.arguments[position + 1]
        return ""


async def pods_of(client: Client, program: Program) -> tuple[ProgramPod, ...]:
    """List the pods of a program that have not ended, by node. Raises ClusterError without the right to list them."""
    try:
        found = await client.list(PODS, NAMESPACE, labelSelector=program.selector)
    except ApiError as error:
        if error.code != HTTPStatus.FORBIDDEN:
            raise
        raise ClusterError(
            f"namespace {NAMESPACE}: {error}; this account needs a Role that may list pods there"
        ) from error
    known = (program_pod(program, pod) for pod in found.items if not pod.finished)
    return tuple(sorted(known, key=lambda one: (one.node, one.key)))


async def all_pods(client: Client) -> tuple[ProgramPod, ...]:
    """List the pods of all programs."""
    found = await asyncio.gather(*(pods_of(client, program) for program in Program))
    return tuple(pod for pods in found for pod in pods)


def program_pod(program: Program, pod: PodReading) -> ProgramPod:
    """Return what is shown of a pod."""
    own = next((one for one in pod.status.container_statuses if one.name == program), None)
    spec = next((one for one in pod.spec.containers if one.name == program), None)
    trouble = "" if pod.ready else cause(pod)
    if pod.metadata.deletion_timestamp is not None:
        trouble = "it is being deleted"
    return ProgramPod(
        pod.key,
        program,
        pod.spec.node_name,
        pod.metadata.labels.get(VERSION_LABEL, ""),
        trouble,
        own.restart_count if own is not None else 0,
        spec.image if spec is not None else "",
        (*spec.command, *spec.args) if spec is not None else (),
    )


class Reach(msgspec.Struct, frozen=True):
    """The pods through which nodes are reached, by node, and why other nodes are not."""

    agents: dict[str, ProgramPod]
    unreached: dict[str, str]


def reach(nodes: Sequence[str], pods: Iterable[ProgramPod], requested: Sequence[str] = ()) -> Reach:
    """Choose the agent of each requested node, by default of all. Raises ClusterError for a node that does not exist.

    An agent that is not ready is reached all the same as long as its container runs: that is when it is needed most.
    """
    unknown = [name for name in requested if name not in nodes]
    if unknown:
        raise ClusterError(f"--node {unknown[0]}: is none of {', '.join(nodes)}")
    agents: dict[str, ProgramPod] = {}
    for pod in pods:
        if pod.node not in agents or agents[pod.node].trouble:
            agents[pod.node] = pod
    if not agents:
        raise ClusterError(
            f"namespace {NAMESPACE} has no pod with the label {Program.AGENT.selector}: podwire is not installed in"
            " this cluster; run 'podwire install', or choose a world with --name"
        )
    missing = [name for name in requested or nodes if name not in agents]
    return Reach(
        {name: agents[name] for name in requested or nodes if name in agents},
        {name: absent(name) for name in missing},
    )


def absent(node: str) -> str:
    """Return the error for a node without an agent."""
    return (
        f"Node {node} has no pod of the DaemonSet podwire-agent: let that tolerate the node's taints and match its"
        f" labels; see 'kubectl -n {NAMESPACE} describe daemonset podwire-agent'"
    )

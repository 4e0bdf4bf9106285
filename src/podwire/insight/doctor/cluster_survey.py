"""Read the facts of a cluster or a world: objects from the API server, facts from each node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TypeVar

import msgspec

from podwire.insight.doctor import api_access, gateway_survey, mesh_survey, node_survey, requests
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.node_facts import NodeFacts, NodeRequest
from podwire.insight.operations.node_commands import NodeAnswer, run_on_all
from podwire.insight.operations.programs import ClusterError, Program, ProgramPod, Reach, absent, all_pods, reach
from podwire.insight.target import Target
from podwire.kube.client import ApiError, Client
from podwire.kube.core import Node
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import DAEMON_SETS, NODES, SERVICE_CIDRS, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError
from podwire.lab.network.topology import Topology

ObjectT = TypeVar("ObjectT", bound=Object)

DNS_SERVICE = NamespacedName("kube-system", "kube-dns")
Answered = Callable[[str, int], None]
"""Called with the name of a node that has answered, and how many are expected."""


def read(target: Target, desired: Sequence[str], answered: Answered) -> ClusterFacts:
    """Return everything about a target. Raises UnreachableError, ClusterError and WorldError."""
    if target.world is None:
        return target.read(lambda client: _of_cluster(client, target.credentials, desired, answered))
    found = target.read(lambda client: _objects(client, target.credentials))
    return _of_world(found, target.world, desired, answered)


async def _objects(client: Client, credentials: Credentials) -> ClusterFacts:
    """What the API server has."""
    nodes, ranges, sets, pods, dns, api = await asyncio.gather(
        client.list(NODES),
        _list(client, SERVICE_CIDRS),
        _list(client, DAEMON_SETS),
        all_pods(client),
        _dns(client),
        api_access.reached(credentials),
    )
    return ClusterFacts(
        time.time(),
        tuple(sorted(nodes.items, key=lambda node: node.key)),
        pods=pods,
        daemon_sets=tuple(sets),
        service_ranges=tuple(text for one in ranges for text in one.spec.cidrs),
        dns=dns,
        api=api,
        mesh=await mesh_survey.read(client, sets),
        expiries=tuple(api_access.expiries(credentials)),
    )


async def _list(client: Client, kind: Kind[ObjectT]) -> list[ObjectT]:
    """List objects; none where this account may not, or where the server does not have them."""
    try:
        return (await client.list(kind)).items
    except ApiError as error:
        if error.code not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            raise
        return []


async def _dns(client: Client) -> tuple[str, ...] | None:
    try:
        service = await client.get(SERVICES, DNS_SERVICE)
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None
    return service.spec.cluster_ips


async def _of_cluster(
    client: Client, credentials: Credentials, desired: Sequence[str], answered: Answered
) -> ClusterFacts:
    found = await _objects(client, credentials)
    is_installed = any(pod.program is Program.GATEWAY for pod in found.pods)
    found = msgspec.structs.replace(found, gateways=await gateway_survey.read(client, is_installed=is_installed))
    agents = [pod for pod in found.pods if pod.program is Program.AGENT]
    reached = _reach(found.nodes, agents, desired)
    server = next((pod.flag("server") for pod in agents if pod.flag("server")), "")

    def words(node: str) -> tuple[str, ...]:
        request = requests.of_cluster(found.nodes, node, found.dns or (), server)
        return ("doctor", "--request", msgspec.json.encode(request).decode())

    count = len(reached.agents)
    answers = await run_on_all(client, reached, words, lambda answer: answered(answer.node, count))
    ranges = next((pod.flag("pod-cidrs") for pod in agents if pod.flag("pod-cidrs")), "")
    found = msgspec.structs.replace(found, pod_ranges=tuple(filter(None, ranges.split(","))))
    return _with_answers(found, answers)


def _reach(nodes: Iterable[Node], agents: Sequence[ProgramPod], desired: Sequence[str]) -> Reach:
    """As `reach`; a cluster without any agent is one whose nodes all have none. Raises ClusterError."""
    names = [node.metadata.name for node in nodes]
    if not agents:
        return Reach({}, {name: absent(name) for name in desired or names})
    return reach(names, agents, desired)


def _with_answers(found: ClusterFacts, answers: Iterable[NodeAnswer]) -> ClusterFacts:
    facts: list[NodeFacts] = []
    unreached: dict[str, str] = {}
    for answer in answers:
        try:
            if answer.error:
                unreached[answer.node] = answer.error
            else:
                facts.append(msgspec.json.decode(answer.output, type=NodeFacts))
        except msgspec.MsgspecError as error:
            unreached[answer.node] = f"its agent has another version, whose facts cannot be read: {error}"
    return msgspec.structs.replace(found, facts=tuple(facts), unreached=unreached)


def _of_world(found: ClusterFacts, world: World, desired: Sequence[str], answered: Answered) -> ClusterFacts:
    names = nsenter.node_names(world)
    unknown = [name for name in desired if name not in names]
    if unknown:
        raise ClusterError(f"--node {unknown[0]}: is none of {', '.join(names)}")
    topology = Topology(nodes=world.nodes)
    answers = []
    for name in desired or names:
        request = requests.of_world(found.nodes, name, found.dns or (), world)
        answers.append(_world_node(world, name, request))
        answered(name, len(desired or names))
    ranges = (str(topology.pods4), str(topology.pods6))
    return _with_answers(msgspec.structs.replace(found, pod_ranges=ranges, agents_are_pods=False), answers)


def _world_node(world: World, node: str, request: NodeRequest) -> NodeAnswer:
    try:
        text = nsenter.computed(world, node, lambda: msgspec.json.encode(node_survey.gather(request)).decode())
        return NodeAnswer(node, text.encode())
    except WorldError as error:
        return NodeAnswer(node, error=str(error))

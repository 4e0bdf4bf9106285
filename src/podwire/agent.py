"""The agent of a node: its pods' network, its Services and its policies, wired together.

It runs in the node's network namespace, the same in a world on one machine and on a real cluster. Killed at any
moment, it leaves the kernel as it is: traffic goes on, and the next one reads back what stands.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from podwire.kernel.nftables import Nftables
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.kinds import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.pods.model import Cluster
from podwire.pods.network import PodNetwork, Settings
from podwire.policy.identities import Numbers
from podwire.policy.policies import Policies
from podwire.policy.sink import NftablesSink
from podwire.rows_socket import serving_rows
from podwire.services.model import NodeView
from podwire.services.proxy import ServiceProxy
from podwire.services.sink import KernelSink

if TYPE_CHECKING:
    from podwire.pods.attachment import Attachment


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What an agent is told: who it is, where the API is, the cluster's ranges, and a folder that outlives it."""

    node: str
    credentials: Credentials
    cluster: Cluster
    service_ranges: tuple[str, ...]
    folder: Path

    @property
    def cni_socket(self) -> Path:
        """Where the CNI plugin of this node finds the agent."""
        return self.folder / "cni.sock"

    @property
    def rows_socket(self) -> Path:
        """Where `podwire rows` asks what must stand in the kernel."""
        return self.folder / "rows.sock"


class PolicyGate:
    """No pod has a network before everything that isolates it stands in the kernel."""

    def __init__(self) -> None:
        self._policies: Policies | None = None

    def guard(self, policies: Policies) -> None:
        """These policies decide from now on."""
        self._policies = policies

    async def admit(self, attachment: Attachment) -> None:
        """Return when the pod's rows stand."""
        pod, uid = _identity(attachment)
        await self._decider().admit(pod, uid, attachment.addresses)

    def obstacle(self, attachment: Attachment) -> str:
        """Return what the policies wait for before they admit the pod."""
        pod, uid = _identity(attachment)
        return self._decider().obstacle(pod, uid)

    async def forget(self, attachment: Attachment) -> None:
        """Return when no row names the pod's addresses."""
        pod, uid = _identity(attachment)
        await self._decider().forget(pod, uid, attachment.addresses)

    def _decider(self) -> Policies:
        assert self._policies is not None, "the gate is guarded before CNI is served"
        return self._policies


async def run(config: AgentConfig) -> None:
    """Serve the node for ever. Raises OSError and NftablesError where the namespace cannot be used."""
    async with Client(config.credentials, "podwire-agent") as client:
        agent = Agent(config, client)
        await agent.run()


class Agent:
    """All capabilities of one node on one set of informers."""

    def __init__(self, config: AgentConfig, client: Client) -> None:
        self._rows_socket = config.rows_socket
        self._nodes = Informer(client, NODES)
        services, slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
        pods, namespaces = Informer(client, PODS), Informer(client, NAMESPACES)
        policies = Informer(client, NETWORK_POLICIES)
        self._informers = (self._nodes, services, slices, pods, namespaces, policies)
        gate = PolicyGate()
        settings = Settings(config.node, config.cluster, config.cni_socket, config.folder / "cni.db")
        self._network = PodNetwork(settings, gate)
        numbers = Numbers(config.folder / "identities.db")
        self._policies = Policies(config.node, pods, namespaces, policies, NftablesSink(Nftables()), numbers)
        gate.guard(self._policies)
        services_sink = KernelSink.here(config.service_ranges)
        self._proxy = ServiceProxy(services, slices, services_sink, NodeView(config.node, config.service_ranges))

    async def run(self) -> None:
        """Follow the API and keep the kernel equal to it, for ever."""
        capabilities = {"pods": self._network.rows, "services": self._proxy.rows, "policy": self._policies.lines}
        async with serving_rows(self._rows_socket, capabilities):
            await self._work()

    async def _work(self) -> None:
        for attachment in self._network.attachments:
            self._policies.attach(*_identity(attachment), attachment.addresses)
        self._nodes.subscribe(self._network.node_changed)
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run())
            tasks.create_task(self._network.run())
            tasks.create_task(self._proxy.run())
            tasks.create_task(self._policies.run())
            await self._nodes.synced.wait()
            self._network.nodes_complete()


def _identity(attachment: Attachment) -> tuple[NamespacedName, str]:
    pod = attachment.pod
    return NamespacedName(pod.namespace, pod.name), pod.uid

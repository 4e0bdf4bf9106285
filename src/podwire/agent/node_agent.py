"""The agent of a node: its pods' network, its Services and its policies, wired together.

It runs in the node's network namespace. Killed at any moment, it leaves the kernel as it is: traffic goes on, and the
next one reads back what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from podwire.agent import agent_status, metrics
from podwire.agent.agent_status import AgentStatus
from podwire.agent.announcing import announcing
from podwire.agent.cluster_policy_status import ClusterPolicyStatus
from podwire.agent.config import AgentConfig
from podwire.agent.conntrack_metrics import ConntrackState, of_conntrack
from podwire.agent.dropped_packets import DroppedPackets, of_established
from podwire.agent.egress_gateways import EgressFeeds, EgressGateways
from podwire.agent.egress_status import EgressStatus
from podwire.agent.flow_records import FlowRecords
from podwire.agent.health_check_ports import HealthCheckPorts, Place
from podwire.agent.inputs import Inputs
from podwire.agent.kernel_features import KernelFeatures
from podwire.agent.name_learning import NameLearning
from podwire.agent.pod_addresses import pod_ranges
from podwire.agent.policy_gate import PolicyGate
from podwire.agent.proxy_health import ProxyHealth
from podwire.agent.proxy_metrics import MeasuredSink, ProxyMetrics
from podwire.agent.readback import Readback
from podwire.agent.redirecting import Redirection, RedirectionFeeds
from podwire.agent.rows_socket import serving_rows
from podwire.agent.service_checks import ServiceChecks
from podwire.announcement.announcer import Feeds
from podwire.component.endpoints import Page, Pages, serving, verdict
from podwire.component.informer_metrics import access_obstacles, of_informers
from podwire.component.metrics import CONTENT_TYPE, Family, exposition, of_process, of_readiness
from podwire.engine.reconcile import Reconciler
from podwire.kernel import memory
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.kube.access_problem import AccessProblem
from podwire.kube.client import Client
from podwire.kube.core import Node
from podwire.kube.kinds import NODES, SERVICES
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.recorder import Recorder
from podwire.kube.services import Service
from podwire.pods.network import PodNetwork, Settings
from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.established import EstablishedFlows, FollowedSink
from podwire.policy.identities import IdentityAllocator
from podwire.policy.policies import Policies, PolicyFeeds
from podwire.policy.sink import PolicySink
from podwire.policy.stream_resets import StreamResets
from podwire.services.node_view import NodeView
from podwire.services.proxy import HostFeeds, ServiceProxy
from podwire.services.sink import ServiceSink

log = logging.getLogger(__name__)

PROXY_MODE = "nftables"
"""kube-proxy's name of the mode in which Services are translated."""
COLLECT_AFTER = 700
"""Objects after which garbage is looked for once the agent is ready: Python's default."""
AWAY_SECONDS = 5.0
"""A server that starts with the node answers within it."""
CHECK_KERNEL_SECONDS = 3.0
"""Longest time for which the first rows go before the look at what the kernel lacks."""


class Capability(Protocol):
    """What all capabilities have."""

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        ...

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        ...


class Agent:
    """All capabilities of one node on one set of informers."""

    def __init__(self, config: AgentConfig, client: Client, inputs: Inputs) -> None:
        self._config = config
        self._inputs = inputs
        nodes, services, slices, pods = inputs.nodes, inputs.services, inputs.slices, inputs.pods
        self._health = ProxyHealth(config.node)
        self._proxy_metrics = ProxyMetrics(self._health)
        self._ready = asyncio.Event()
        self._features = KernelFeatures()
        self._gate = PolicyGate()
        sysctls = SysctlRecord(config.sysctl_record)
        settings = Settings(config.node, config.cluster, config.cni_socket, config.folder / "cni.db", sysctls)
        self._network = PodNetwork(settings, self._gate)
        numbers = IdentityAllocator(config.folder / "identities.db")
        policy_table = PolicySink.here(sysctls.write)
        policy_sink = FollowedSink(policy_table)
        self._policies = Policies(
            config.node,
            PolicyFeeds(pods, inputs.namespaces, inputs.policies, inputs.cluster_policies, nodes, inputs.peers),
            policy_sink,
            numbers,
            DEFAULT_DENY if config.default_deny else (),
            pod_ranges(config.cluster),
        )
        self._names = NameLearning(self._policies, config.folder)
        self._established: EstablishedFlows | None = None
        if config.policy_on_established == "cut":
            resets = StreamResets(self._network.namespaces)
            self._established = EstablishedFlows(self._policies.view, numbers, self._peers_known, resets=resets)
            policy_sink.follow(self._established)
        sink = MeasuredSink(ServiceSink.here(self._proxy_metrics.ended), self._proxy_metrics)
        view = NodeView(config.node, config.service_ranges, config.nodeport_addresses, config.allow_external_ips)
        host = HostFeeds(pods, nodes, inputs.service_cidrs)
        self._proxy = ServiceProxy(services, slices, sink, view, host)
        self._checks = ServiceChecks(config.node, self._proxy.reconciler, services, nodes)
        self._dropped = DroppedPackets()
        self._recorder = Recorder(client, "podwire-agent")
        self._policy_status = ClusterPolicyStatus(client, inputs.cluster_policies, self._recorder)
        self._flows = FlowRecords.of(
            config.node,
            config.folder,
            self._policies.view,
            numbers,
            config.flow_records,
            (pods, services),
            self._recorder,
        )
        place = Place(config.node, config.nodeport_addresses)
        self._health_ports = HealthCheckPorts(place, services, slices, nodes, self._health)
        feeds = Feeds(services, slices, nodes)
        self._announcing = announcing(config, client, feeds, self._proxy.settle, self._note, sysctls.write)
        egress_feeds = EgressFeeds(inputs.egress_gateways, pods, inputs.peers, inputs.namespaces, nodes)
        status = EgressStatus(client, config.node, inputs.egress_gateways, self._recorder)
        self._egress = EgressGateways(config, egress_feeds, status, sysctls.write, lambda: self._network.uplink)
        self._network.uplink_changed = self._egress.uplink_changed
        redirection_feeds = RedirectionFeeds(pods, inputs.namespaces, inputs.mesh_peers, services)
        self._redirection = Redirection(config, client, redirection_feeds, self._policies, policy_table, sysctls.write)
        self._gate.guard(self._policies, self._egress, self._redirection)
        always = (self._network, self._proxy, self._policies, self._egress, self._redirection)
        self._capabilities: tuple[Capability, ...] = (*always, *self._announcing)
        self._readback = Readback(self._reconcilers)

    async def run(self) -> None:
        """Follow the API and keep the kernel equal to it until cancelled. Raises OSError where an address is taken."""
        before = {agent_status.CAPABILITY: self._readback.compare}
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving(self._healthz_pages(), self._config.healthz))
            await stack.enter_async_context(serving(self._metrics_pages(), self._config.metrics))
            await stack.enter_async_context(serving_rows(self._config.rows_socket, self._rows(), before))
            await self._work()

    async def _work(self) -> None:
        for attachment in self._network.attachments:
            self._gate.attach(attachment)
        self._inputs.nodes.subscribe(self._network.node_changed)
        self._inputs.namespaces.subscribe(self._network.namespace_changed)
        self._inputs.nodes.subscribe(self._health.node_changed)
        self._inputs.slices.subscribe(self._network.slice_changed)
        self._flows.subscribe(self._inputs.namespaces, self._inputs.services)
        self._names.follow(self._inputs.services)
        changed = asyncio.Event()
        for listener in (self._proxy_metrics.service_changed, self._checks.service_changed, _setting(changed)):
            self._inputs.services.subscribe(listener)
        for slice_listener in (self._proxy_metrics.slice_changed, self._checks.slice_changed, _setting(changed)):
            self._inputs.slices.subscribe(slice_listener)
        async with asyncio.TaskGroup() as tasks:
            for informer in (*self._inputs.required, self._inputs.peers.informer):
                informer.status.report(self._report)
            tasks.create_task(self._inputs.run())
            tasks.create_task(self._network.run())
            tasks.create_task(self._proxy.run())
            tasks.create_task(self._policies.run())
            tasks.create_task(self._egress.run())
            tasks.create_task(self._redirection.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._policy_status.run())
            tasks.create_task(self._flows.run())
            tasks.create_task(self._names.run())
            if self._established is not None:
                tasks.create_task(self._established.run())
            tasks.create_task(self._health_ports.run(self._warn))
            for one in self._announcing:
                tasks.create_task(one.run())
            tasks.create_task(self._become_ready())
            tasks.create_task(self._inputs.note_complete())
            tasks.create_task(self._start_without_server())
            tasks.create_task(self._readback.run(self._ready))
            if self._config.check_kernel:
                tasks.create_task(self._check_kernel())
            tasks.create_task(self._follow_proxy(changed))
            await self._inputs.nodes.synced.wait()
            self._network.nodes_complete()
            await self._inputs.slices.synced.wait()
            self._network.slices_complete()

    async def _become_ready(self) -> None:
        """Wait until every kind has been listed once and every capability is applied."""
        await self._inputs.synced()
        for capability in self._capabilities:
            await capability.settle()
        if self._established is not None:
            self._established.judge_all()
        if self._config.replace_kube_proxy:
            from podwire.agent import kube_proxy_leftovers

            await kube_proxy_leftovers.remove()
        self._ready.set()
        gc.set_threshold(COLLECT_AFTER)
        gc.collect()
        gc.freeze()  # each later collection would visit all of it again: 46 ms with 1,000 pods
        memory.release()
        if self._config.expect_kube_proxy and not self._config.replace_kube_proxy:
            from podwire.agent import kube_proxy_leftovers

            await kube_proxy_leftovers.report()

    async def _start_without_server(self) -> None:
        """Where the server is away as the agent starts, let pods start by what was known before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_SECONDS):
                await self._inputs.synced()
        while not self._inputs.nodes.synced.is_set():
            if self._inputs.are_known_before and self._inputs.restore():
                log.warning("the API server is away: pods that were known before start by the policies known then")
                self._policies.start_without_server()
                self._egress.start_without_server()
                self._network.nodes_complete()
                return
            await asyncio.sleep(AWAY_SECONDS)

    async def _peers_known(self) -> None:
        """Wait until the pods of other nodes are known, where policies read them."""
        if self._inputs.peers.required:
            await self._inputs.peers.synced.wait()

    async def _check_kernel(self) -> None:
        """Look for what the kernel lacks: after the first rows, or while they do not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_KERNEL_SECONDS):
                await self._ready.wait()
        await self._features.check()

    async def _follow_proxy(self, changed: asyncio.Event) -> None:
        """Note each time that all changes of Services are applied, and report what is wrong with them then."""
        await self._inputs.services.synced.wait()
        await self._inputs.slices.synced.wait()
        changed.set()
        while True:
            await changed.wait()
            changed.clear()
            services = self._checks.syncing()
            await self._proxy_metrics.measure(self._proxy.settle)
            self._checks.synced(services, self._warn)

    def _note(self, service: Service, reason: str, message: str) -> None:
        self._recorder.event(SERVICES, service, reason, message)

    def _warn(self, service: Service, reason: str, message: str) -> None:
        self._recorder.event(SERVICES, service, reason, message, warning=True)

    def _report(self, problem: AccessProblem) -> None:
        """Record an event about this Node where a user must act, as far as this account may still do that."""
        if not problem.is_persistent:
            return
        name = self._config.node
        # A kubelet's events about its own node have its name as uid too: the object need not be known.
        node = self._inputs.nodes.objects.get(NamespacedName("", name), Node(metadata=ObjectMeta(name=name, uid=name)))
        self._recorder.event(NODES, node, f"API{problem.reason}", f"podwire-agent: {problem}", warning=True)

    def _rows(self) -> Mapping[str, Callable[[], Iterable[object]]]:
        return {
            "pods": self._network.rows,
            "services": self._proxy.rows,
            "policy": lambda: itertools.chain(self._policies.lines(), self._names.lines()),
            "egress": self._egress.rows,
            "redirection": self._redirection.rows,
            "announcement": lambda: (line for one in self._announcing for line in one.rows()),
            agent_status.CAPABILITY: lambda: agent_status.lines(self._status()),
        }

    def _status(self) -> AgentStatus:
        ready = self._ready.is_set()
        return agent_status.status(self._config.node, self._inputs.followed, self._reconcilers(), ready=ready)

    def _reconcilers(self) -> list[Reconciler[Any, Any]]:
        return [one for capability in self._capabilities for one in capability.reconcilers]

    def _healthz_pages(self) -> Pages:
        return {"/healthz": self._health.healthz, "/livez": self._health.livez, "/readyz": self._readyz}

    def _metrics_pages(self) -> Pages:
        return {
            "/metrics": lambda: Page(exposition(self._families()), content_type=CONTENT_TYPE),
            "/proxyMode": lambda: Page(PROXY_MODE),
            "/healthz": lambda: Page("ok"),
            "/livez": lambda: Page("ok"),
            "/readyz": self._readyz,
        }

    def _readyz(self) -> Page:
        return verdict(self._ready.is_set(), (*self._features.obstacles(), *access_obstacles(self._inputs.followed)))

    def _families(self) -> Iterator[Family]:
        yield from self._proxy_metrics.families()
        yield from self._checks.families()
        yield from of_informers(self._inputs.followed)
        yield from metrics.of_reconcilers(self._reconcilers())
        for announced in self._announcing:
            yield from announced.families()
        yield from self._dropped.families()
        yield from self._flows.families()
        yield of_established(0 if self._established is None else self._established.ended)
        yield from of_conntrack(ConntrackState.read())
        yield from self._network.requests.families()
        yield from self._features.families()
        yield of_readiness(ready=self._ready.is_set())
        yield from of_process()


def _setting(event: asyncio.Event) -> Callable[[object], None]:
    """A listener that sets the event at each change."""
    return lambda _: event.set()

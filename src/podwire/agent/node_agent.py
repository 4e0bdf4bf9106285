"""The agent of a node: its pods' network, its Services and its policies, wired together.

It runs in the node's network namespace. Killed at any moment, it leaves the kernel as it is: traffic goes on, and the
next one reads back what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from podwire.agent import metrics
from podwire.agent.announcing import announcing
from podwire.agent.config import AgentConfig
from podwire.agent.dropped_packets import DroppedPackets
from podwire.agent.health_check_ports import HealthCheckPorts, Place
from podwire.agent.kernel_features import KernelFeatures
from podwire.agent.policy_gate import PolicyGate, identity, link_end
from podwire.agent.proxy_health import ProxyHealth
from podwire.agent.proxy_metrics import MeasuredSink, ProxyMetrics
from podwire.agent.rows_socket import serving_rows
from podwire.agent.service_checks import ServiceChecks
from podwire.announcement.announcer import Feeds
from podwire.component.endpoints import Page, Pages, serving, verdict
from podwire.component.informer_metrics import access_obstacles, of_informers
from podwire.component.metrics import CONTENT_TYPE, Family, exposition, of_process
from podwire.engine.reconcile import Reconciler
from podwire.kernel import memory
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.kube.access_problem import AccessProblem
from podwire.kube.client import Client
from podwire.kube.core import Node
from podwire.kube.informer import Informer
from podwire.kube.kinds import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICE_CIDRS, SERVICES
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.optional_informer import OptionalInformer
from podwire.kube.recorder import Recorder
from podwire.kube.services import Service
from podwire.pods.network import PodNetwork, Settings
from podwire.policy.identities import IdentityAllocator
from podwire.policy.policies import Policies
from podwire.policy.sink import PolicySink
from podwire.services.node_view import NodeView
from podwire.services.proxy import HostFeeds, ServiceProxy
from podwire.services.sink import ServiceSink

PROXY_MODE = "nftables"
"""kube-proxy's name of the mode in which Services are translated."""


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

    def __init__(self, config: AgentConfig, client: Client) -> None:
        self._config = config
        self._nodes = Informer(client, NODES)
        self._services, self._slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
        pods, namespaces = Informer(client, PODS), Informer(client, NAMESPACES)
        policies = Informer(client, NETWORK_POLICIES)
        self._informers = (self._nodes, self._services, self._slices, pods, namespaces, policies)
        self._health = ProxyHealth(config.node)
        self._proxy_metrics = ProxyMetrics(self._health)
        self._ready = False
        self._features = KernelFeatures()
        gate = PolicyGate()
        sysctls = SysctlRecord(config.sysctl_record)
        settings = Settings(config.node, config.cluster, config.cni_socket, config.folder / "cni.db", sysctls)
        self._network = PodNetwork(settings, gate)
        numbers = IdentityAllocator(config.folder / "identities.db")
        self._policies = Policies(config.node, pods, namespaces, policies, PolicySink.here(sysctls.write), numbers)
        gate.guard(self._policies)
        sink = MeasuredSink(ServiceSink.here(self._proxy_metrics.ended), self._proxy_metrics)
        view = NodeView(config.node, config.service_ranges, config.nodeport_addresses, config.allow_external_ips)
        self._service_cidrs = OptionalInformer(client, SERVICE_CIDRS)
        host = HostFeeds(pods, self._nodes, self._service_cidrs)
        self._proxy = ServiceProxy(self._services, self._slices, sink, view, host)
        self._checks = ServiceChecks(config.node, self._proxy.reconciler, self._services, self._nodes)
        self._dropped = DroppedPackets()
        self._recorder = Recorder(client, "podwire-agent")
        place = Place(config.node, config.nodeport_addresses)
        self._health_ports = HealthCheckPorts(place, self._services, self._slices, self._nodes, self._health)
        feeds = Feeds(self._services, self._slices, self._nodes)
        self._announcing = announcing(config, feeds, self._proxy.settle, self._note, sysctls.write)
        self._capabilities: tuple[Capability, ...] = (self._network, self._proxy, self._policies, *self._announcing)

    async def run(self) -> None:
        """Follow the API and keep the kernel equal to it until cancelled. Raises OSError where an address is taken."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving(self._healthz_pages(), self._config.healthz))
            await stack.enter_async_context(serving(self._metrics_pages(), self._config.metrics))
            await stack.enter_async_context(serving_rows(self._config.rows_socket, self._rows()))
            await self._work()

    async def _work(self) -> None:
        for attachment in self._network.attachments:
            self._policies.attach(*identity(attachment), attachment.addresses, link_end(attachment))
        self._nodes.subscribe(self._network.node_changed)
        self._nodes.subscribe(self._health.node_changed)
        self._slices.subscribe(self._network.slice_changed)
        changed = asyncio.Event()
        for listener in (self._proxy_metrics.service_changed, self._checks.service_changed, _setting(changed)):
            self._services.subscribe(listener)
        for slice_listener in (self._proxy_metrics.slice_changed, self._checks.slice_changed, _setting(changed)):
            self._slices.subscribe(slice_listener)
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                informer.status.reported = self._report
                tasks.create_task(informer.run())
            tasks.create_task(self._service_cidrs.run())
            tasks.create_task(self._network.run())
            tasks.create_task(self._proxy.run())
            tasks.create_task(self._policies.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._health_ports.run(self._warn))
            for one in self._announcing:
                tasks.create_task(one.run())
            tasks.create_task(self._become_ready())
            if self._config.check_kernel:
                tasks.create_task(self._features.check())
            tasks.create_task(self._follow_proxy(changed))
            await self._nodes.synced.wait()
            self._network.nodes_complete()
            await self._slices.synced.wait()
            self._network.slices_complete()

    async def _become_ready(self) -> None:
        """Wait until every kind has been listed once and every capability is applied."""
        for informer in self._informers:
            await informer.synced.wait()
        for capability in self._capabilities:
            await capability.settle()
        if self._config.replace_kube_proxy:
            from podwire.agent import kube_proxy_leftovers

            await kube_proxy_leftovers.remove()
        self._ready = True
        memory.release()

    async def _follow_proxy(self, changed: asyncio.Event) -> None:
        """Note each time that all changes of Services are applied, and report what is wrong with them then."""
        await self._services.synced.wait()
        await self._slices.synced.wait()
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
        """Record an event about this Node, as far as this account may still do that."""
        name = self._config.node
        # A kubelet's events about its own node have its name as uid too: the object need not be known.
        node = self._nodes.objects.get(NamespacedName("", name), Node(metadata=ObjectMeta(name=name, uid=name)))
        self._recorder.event(NODES, node, f"API{problem.reason}", f"podwire-agent: {problem}", warning=True)

    def _rows(self) -> Mapping[str, Callable[[], Iterable[object]]]:
        return {
            "pods": self._network.rows,
            "services": self._proxy.rows,
            "policy": self._policies.lines,
            "announcement": lambda: (line for one in self._announcing for line in one.rows()),
        }

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
        return verdict(self._ready, (*self._features.obstacles(), *access_obstacles(self._informers)))

    def _families(self) -> Iterator[Family]:
        yield from self._proxy_metrics.families()
        yield from self._checks.families()
        yield from of_informers(self._informers)
        yield from metrics.of_reconcilers([one for capability in self._capabilities for one in capability.reconcilers])
        for announced in self._announcing:
            yield from announced.families()
        yield from self._dropped.families()
        yield from self._features.families()
        yield metrics.of_readiness(ready=self._ready)
        yield from of_process()


def _setting(event: asyncio.Event) -> Callable[[object], None]:
    """A listener that sets the event at each change."""
    return lambda _: event.set()

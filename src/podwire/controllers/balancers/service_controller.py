"""The service controller: a load balancer of the provider for each Service of type LoadBalancer.

A finalizer keeps a Service until its load balancer is deleted. Source: k8s.io/cloud-provider
`controllers/service/controller.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from podwire.controllers.balancers.provider import SYNC_FAILED, BalancerError, Ensured
from podwire.controllers.balancers.request import age
from podwire.controllers.balancers.target_nodes import target_nodes
from podwire.controllers.machinery.owner_references import without_finalizer
from podwire.kube.cache import changed_key
from podwire.kube.client import ApiError
from podwire.kube.kinds import NODES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.controllers.balancers.provider import Provider
    from podwire.kube.client import Client
    from podwire.kube.core import Node
    from podwire.kube.recorder import Recorder
    from podwire.kube.services import LoadBalancerIngress, Service
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

NAME = "service-controller"
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


@dataclass(slots=True)
class _Balancer:
    """A load balancer: the Service it was last ensured for, its targets, the last failure.

    `ingress` are its addresses; None where they are not known, or it could not be ensured.
    """

    service: Service
    ingress: tuple[LoadBalancerIngress, ...] | None = None
    nodes: tuple[str, ...] = ()
    failure: str = ""

    def fits(self, service: Service) -> bool:
        """Return whether nothing that a provider reads has changed."""
        return _inputs(self.service) == _inputs(service)


class ServiceController:
    """Follows Services and nodes. It serves Services without a loadBalancerClass and those of the provider's class."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder, provider: Provider) -> None:
        self._client = client
        self._recorder = recorder
        self._provider = provider
        self._services = informers.of(SERVICES)
        self._nodes = informers.of(NODES)
        self._status: StatusWriter[Service] = StatusWriter(client, SERVICES)
        self._balancers: dict[NamespacedName, _Balancer] = {}
        self._waiting: set[NamespacedName] = set()
        self._targets: tuple[str, ...] = ()
        self._queue: WorkQueue[NamespacedName] = WorkQueue("load balancers", self.sync)
        self._services.subscribe(self._service_changed)
        self._nodes.subscribe(self._node_changed)

    async def run(self) -> None:
        """Handle changes until cancelled. All Services must be known before."""
        known = self._services.objects.values()
        await self._provider.start([item for item in known if self._wants(item) or needs_cleanup(item)])
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Ensure, update or delete the load balancer of one Service."""
        service = self._services.objects.get(key)
        balancer = self._balancers.get(key)
        if balancer is not None and (service is None or service.metadata.uid != balancer.service.metadata.uid):
            await self._delete_balancer(balancer.service)
            balancer = None
        if service is None:
            return
        if not self._wants(service):
            if needs_cleanup(service) or balancer is not None:
                await self._clean_up(service)
        elif balancer is not None and balancer.fits(service) and _has(service, balancer.ingress):
            await self._update(service, balancer)
        else:
            await self._ensure(service, balancer)

    async def _ensure(self, service: Service, before: _Balancer | None) -> None:
        balancer = self._balancers[service.key] = before or _Balancer(service)
        ingress = service.status.load_balancer.ingress
        known = before.fits(service) if before is not None else bool(ingress) and _has(service, ingress)
        if not known:
            balancer.failure = ""
            self._recorder.event(SERVICES, service, "EnsuringLoadBalancer", "Ensuring load balancer")
        service = balancer.service = await self._add_finalizer(service)
        nodes = target_nodes(self._nodes.objects.values())
        if not nodes and not known:
            self._warn_of_no_nodes(service)
        balancer.nodes = _names(nodes)
        try:
            ensured = await self._provider.ensure(service, nodes)
        except BalancerError as error:
            await self._failed(service, balancer, error)
            return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._report(service, balancer, SYNC_FAILED, f"failed to ensure load balancer: {error}")
            raise
        await self._ensured(service, balancer, ensured, known=known)

    async def _ensured(self, service: Service, balancer: _Balancer, ensured: Ensured, *, known: bool) -> None:
        self._waiting.discard(service.key)
        before = service.status.load_balancer.ingress
        balancer.ingress = ensured.ingress
        changed = await self._write(service, ensured.ingress)
        if ensured.warning:
            self._report(service, balancer, "AllocationFailed", ensured.warning)
        else:
            balancer.failure = ""
        if changed or not known:
            self._recorder.event(SERVICES, service, "EnsuredLoadBalancer", "Ensured load balancer")
        if changed and before:
            self._retry_waiting()

    async def _failed(self, service: Service, balancer: _Balancer, error: BalancerError) -> None:
        """Report the failure once; try again after the provider's time, or when a load balancer is released."""
        self._report(service, balancer, error.reason, f"failed to ensure load balancer: {error}")
        balancer.ingress = None
        if error.remaining is not None and await self._write(service, error.remaining):
            self._retry_waiting()
        if error.retry_after is not None:
            self._queue.add(service.key, error.retry_after)
        else:
            self._waiting.add(service.key)

    async def _update(self, service: Service, balancer: _Balancer) -> None:
        nodes = target_nodes(self._nodes.objects.values())
        if balancer.nodes == _names(nodes):
            return
        if not nodes:
            self._warn_of_no_nodes(service)
        try:
            changed = await self._provider.update(service, nodes)
        except (BalancerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"Error updating load balancer with new hosts {list(_names(nodes))}: {error}"
            self._recorder.event(SERVICES, service, "UpdateLoadBalancerFailed", message, warning=True)
            raise
        balancer.nodes = _names(nodes)
        if changed and nodes:
            self._recorder.event(SERVICES, service, "UpdatedLoadBalancer", "Updated load balancer with new hosts")

    async def _clean_up(self, service: Service) -> None:
        """Delete the load balancer of a Service that still exists: it is being deleted, or wants none any more.

        The finalizer is removed last: until then a restarted controller does all of this again.
        """
        await self._delete_balancer(service)
        other_class = service.spec.type == "LoadBalancer" and service.metadata.deletion_timestamp is None
        last = service.metadata.deletion_timestamp is not None and service.metadata.finalizers == (FINALIZER,)
        if not other_class and not last:
            service = await self._cleared(service)
        await self._remove_finalizer(service)
        self._recorder.event(SERVICES, service, "DeletedLoadBalancer", "Deleted load balancer")
        self._retry_waiting()

    async def _delete_balancer(self, service: Service) -> None:
        self._recorder.event(SERVICES, service, "DeletingLoadBalancer", "Deleting load balancer")
        try:
            await self._provider.delete(service)
        except (BalancerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"Error deleting load balancer: {error}"
            self._recorder.event(SERVICES, service, "DeleteLoadBalancerFailed", message, warning=True)
            raise
        self._waiting.discard(service.key)
        if self._balancers.pop(service.key, None) is not None:
            self._retry_waiting()

    async def _write(self, service: Service, ingress: Sequence[LoadBalancerIngress]) -> bool:
        """Make the status these addresses, while the Service wants a load balancer; return whether it differed."""
        if _same(service.status.load_balancer.ingress, ingress):
            return False

        def desired(current: Service) -> dict[str, Any]:
            if not self._wants(current) or _same(current.status.load_balancer.ingress, ingress):
                return {}
            return _ingress_status(ingress)

        written = await self._status.write(service, desired)
        if written is not None:
            self._services.wrote(written)
        return True

    async def _cleared(self, service: Service) -> Service:
        def desired(current: Service) -> dict[str, Any]:
            return _ingress_status(()) if current.status.load_balancer.ingress and not self._wants(current) else {}

        written = await self._status.write(service, desired)
        return service if written is None else self._services.wrote(written)

    async def _add_finalizer(self, service: Service) -> Service:
        if FINALIZER in service.metadata.finalizers:
            return service
        meta = service.metadata
        body = {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": [*meta.finalizers, FINALIZER]}
        return self._services.wrote(await self._client.patch(SERVICES, service.key, {"metadata": body}))

    async def _remove_finalizer(self, service: Service) -> None:
        if FINALIZER not in service.metadata.finalizers:
            return
        try:
            patch = without_finalizer(service, FINALIZER)
            self._services.wrote(await self._client.patch(SERVICES, service.key, patch))
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _report(self, service: Service, balancer: _Balancer, reason: str, message: str) -> None:
        """Record a failure; the same one again only after the Service has changed."""
        if message != balancer.failure:
            balancer.failure = message
            text = f"Error syncing load balancer: {message}"
            self._recorder.event(SERVICES, service, reason, text, warning=True)

    def _warn_of_no_nodes(self, service: Service) -> None:
        message = "There are no available nodes for LoadBalancer"
        self._recorder.event(SERVICES, service, "UnAvailableLoadBalancer", message, warning=True)

    def _retry_waiting(self) -> None:
        """Try again, the oldest first, what failed for want of an address."""
        known = self._services.objects
        for service in sorted((known[key] for key in self._waiting if key in known), key=age):
            self._queue.add(service.key)

    def _wants(self, service: Service) -> bool:
        """Return whether the Service is to have a load balancer of this provider."""
        own_class = service.spec.load_balancer_class in {None, self._provider.balancer_class}
        return own_class and service.spec.type == "LoadBalancer" and service.metadata.deletion_timestamp is None

    def _service_changed(self, change: Change[Service]) -> None:
        key = changed_key(change)
        new = change.new
        if key in self._balancers or (new is not None and (self._wants(new) or needs_cleanup(new))):
            self._queue.add(key)

    def _node_changed(self, _: Change[Node]) -> None:
        targets = _names(target_nodes(self._nodes.objects.values()))
        if targets != self._targets:
            self._targets = targets
            for key in self._balancers:
                self._queue.add(key)


def needs_cleanup(service: Service) -> bool:
    """Return whether the Service has the finalizer and must lose it."""
    ends = service.metadata.deletion_timestamp is not None or service.spec.type != "LoadBalancer"
    return ends and FINALIZER in service.metadata.finalizers


def _inputs(service: Service) -> tuple[object, ...]:
    """Return what a provider reads of a Service: as in `needsUpdate`, and the selector, which decides on sharing."""
    spec = service.spec
    affinity = spec.session_affinity, spec.session_affinity_config
    addresses = spec.load_balancer_ip, spec.load_balancer_source_ranges, spec.external_ips
    families = spec.ip_families, spec.ip_family_policy
    policy = spec.external_traffic_policy, spec.health_check_node_port
    return service.metadata.annotations, spec.ports, spec.selector, affinity, addresses, families, policy


def _has(service: Service, ingress: Sequence[LoadBalancerIngress] | None) -> bool:
    """Return whether the Service has the finalizer and exactly these addresses."""
    finalizer = FINALIZER in service.metadata.finalizers
    return finalizer and ingress is not None and _same(service.status.load_balancer.ingress, ingress)


def _same(one: Sequence[LoadBalancerIngress], other: Sequence[LoadBalancerIngress]) -> bool:
    """Return whether two lists are equal; servers before 1.30 have no ipMode, which then is VIP."""
    return [_key(entry) for entry in one] == [_key(entry) for entry in other]


def _key(entry: LoadBalancerIngress) -> tuple[str, str, str]:
    return entry.ip, entry.hostname, entry.ip_mode or "VIP"


def _ingress_status(ingress: Sequence[LoadBalancerIngress]) -> dict[str, Any]:
    return {"loadBalancer": {"ingress": [msgspec.to_builtins(entry) for entry in ingress] or None}}


def _names(nodes: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.metadata.name for node in nodes)

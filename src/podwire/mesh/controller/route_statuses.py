"""The status of routes on Services and of their policies, with an event for each problem that is new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.edge.gateway.kinds.grpc_route import GRPC_ROUTES
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.problem_events import problem_events
from podwire.edge.gateway.route_status import RouteOfStatus, Verdict, route_status
from podwire.kube.gateway_api import MESH_CONTROLLER_NAME
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue
from podwire.mesh.informers.route_objects import RouteObjects
from podwire.mesh.kinds.backend_policy import BACKEND_POLICIES, BackendPolicy
from podwire.mesh.routes.policies import PolicyProblem
from podwire.mesh.routes.policy_status import policy_status
from podwire.mesh.routes.service_routes import ServiceRoutes

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.recorder import Recorder
    from podwire.mesh.controller.node_reports import NodeReports

KINDS: Mapping[str, Kind[Any]] = {one.kind: one for one in (HTTP_ROUTES, GRPC_ROUTES)}
SETTLE_SECONDS = 0.01
"""Changes that come together are derived together."""
_NOT_DERIVED = "podwire cannot derive its configuration ({}) and serves what was before: report this, with the object"


class RouteStatuses:
    """Made before the informers of `live` run. `follow` runs in every replica, `lead` in the leader."""

    def __init__(self, client: Client, recorder: Recorder, reports: NodeReports) -> None:
        self.live = RouteObjects(client, self._touch, self._written)
        self._client = client
        self._recorder = recorder
        self._reports = reports
        reports.subscribe(self._refused)
        self._routes = ServiceRoutes(self.live.objects, self.live.policies)
        self._dirty: set[Owner] = set()
        self._changed = asyncio.Event()
        self._queue: WorkQueue[Owner] | None = None

    async def follow(self) -> None:
        """Derive what changed, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            dirty, self._dirty = self._dirty, set()
            for one in self._routes.update(dirty).owners:
                self._written(one)

    async def lead(self) -> None:
        """Write every status and events, until cancelled."""
        queue = self._queue = WorkQueue("routes on Services", self._handle)
        try:
            for one in (*self.live.objects.routes, *self.live.policies.all()):
                queue.add(one)
            await queue.run()
        finally:
            self._queue = None

    def _refused(self, owners: Iterable[Owner]) -> None:
        """Write what follows from a change of what Envoys refuse."""
        for one in owners:
            if one.kind != "Service":
                self._written(one)
                continue
            for policy in self.live.policies.all():
                self._written(policy)

    def _touch(self, owners: Iterable[Owner]) -> None:
        self._dirty.update(owners)
        self._changed.set()

    def _written(self, one: Owner) -> None:
        if self._queue is not None and (one.kind in KINDS or one.kind == BACKEND_POLICIES.kind):
            self._queue.add(one)

    async def _handle(self, key: Owner) -> None:
        if key in self._dirty:  # what is derived is older than the object; it is queued again after that
            return
        if key.kind in KINDS:
            await self._route(key)
        else:
            await self._policy(key)

    async def _route(self, key: Owner) -> None:
        item = self.live.objects.routes.get(key)
        if item is None or item.metadata.deletion_timestamp:
            return
        found, now = self._routes.attachments(key), datetime.now(UTC)

        def desired(one: Any) -> Mapping[str, Any]:
            return route_status(one, found, self._verdict(key, _written(one)), now, MESH_CONTROLLER_NAME)

        await self._write(KINDS[key.kind], item, desired)

    async def _policy(self, key: Owner) -> None:
        item = self.live.policies.get(key)
        if not isinstance(item, BackendPolicy) or item.metadata.deletion_timestamp:
            return
        problem, now = self.live.policies.problem(key), datetime.now(UTC)
        services = (Owner("Service", one.namespace, one.name) for one in item.services)
        if problem is None:
            written = [one.message for one in item.status.conditions]
            found = (self._reports.refusal(one, written) for one in services)
            refusal = next(filter(None, found), "")
            problem = PolicyProblem("Invalid", refusal) if refusal else None
        await self._write(BACKEND_POLICIES, item, lambda one: policy_status(one, problem, now))

    def _verdict(self, key: Owner, written: Iterable[str]) -> Verdict:
        rules = self._routes.translated(key)
        if rules.unsupported:
            reason = rules.unsupported_reason or "UnsupportedValue"
            return Verdict(reason, rules.unsupported, unresolved=rules.unresolved)
        if fault := self._routes.faults.of(key):
            return Verdict("UnsupportedValue", _NOT_DERIVED.format(fault))
        refusal = self._reports.refusal(key, written)
        return Verdict("UnsupportedValue" if refusal else "", refusal, rules.dropped, rules.unresolved)

    async def _write(self, kind: Kind[Any], item: Any, desired: Callable[[Any], Mapping[str, Any]]) -> None:
        """Write a status that follows from this generation of the object; that of a newer one follows later."""
        generation = item.metadata.generation
        writer: StatusWriter[Any] = StatusWriter(self._client, kind)
        written = await writer.write(item, lambda one: desired(one) if one.metadata.generation == generation else {})
        if written is None or written is item:
            return
        for event in problem_events(item, written, MESH_CONTROLLER_NAME):
            self._recorder.event(kind, written, event.reason, event.message, warning=True)


def _written(item: RouteOfStatus) -> list[str]:
    """Return the messages of this mesh's conditions."""
    own = (one for one in item.status.parents if one.controller_name == MESH_CONTROLLER_NAME)
    return [each.message for one in own for each in one.conditions]

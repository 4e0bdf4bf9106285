"""What the leader writes: the objects of Gateways, and the status of every object of the Gateway API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from podwire.edge.controller import programming, release
from podwire.edge.gateway.attached_listeners import ListenerState, Problem
from podwire.edge.gateway.backend_tls import policy_state
from podwire.edge.gateway.class_status import class_status
from podwire.edge.gateway.conditions import condition
from podwire.edge.gateway.features import supported
from podwire.edge.gateway.gateway_problems import gateway_problems
from podwire.edge.gateway.gateway_proxy import class_problem, proxy_name
from podwire.edge.gateway.gateway_status import gateway_status
from podwire.edge.gateway.kinds.all_kinds import ROUTES
from podwire.edge.gateway.kinds.backend_tls_policy import BACKEND_TLS_POLICIES, BackendTLSPolicy
from podwire.edge.gateway.kinds.gateway import GATEWAYS, Gateway
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.gateway.kinds.listener_set import LISTENER_SETS
from podwire.edge.gateway.listener_set_status import is_attached, listener_set_status
from podwire.edge.gateway.listener_status import ServedListener
from podwire.edge.gateway.listeners import admits_set
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.gateway.policy_status import policy_status
from podwire.edge.gateway.problem_events import problem_events
from podwire.edge.gateway.route_status import Verdict, route_status
from podwire.kube.meta import Object
from podwire.kube.status_writer import StatusWriter

if TYPE_CHECKING:
    from podwire.edge.controller.gateway_fronts import GatewayFronts
    from podwire.edge.controller.identity import Identity
    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.edge.controller.refusals import Refusals
    from podwire.edge.controller.translation import Translation
    from podwire.edge.xds.proxy import Proxies
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName
    from podwire.kube.recorder import Recorder

ROUTE_KINDS: Mapping[str, Kind[Any]] = {one.kind: one for one in ROUTES}
FLEETS = Owner("Proxy", "", "")
"""All proxies: unused ones end, certificates are replaced in time."""
_NOT_DERIVED = "podwire cannot derive its configuration ({}) and serves what was before: report this, with the object"
ObjectT = TypeVar("ObjectT", bound=Object)


class Leader:
    """Writes one object's part at a time."""

    def __init__(
        self,
        client: Client,
        live: LiveObjects,
        translation: Translation,
        proxies: Proxies,
        fronts: GatewayFronts,
        refusals: Refusals,
        recorder: Recorder,
    ) -> None:
        self._recorder = recorder
        self._client = client
        self._objects = live.objects
        self._translation = translation
        self._proxies = proxies
        self._fronts = fronts
        self._refusals = refusals

    async def handle(self, key: Owner, identity: Identity) -> float | None:
        """Write what follows from an object; return in how many seconds to call again, None: never. Raises ApiError."""
        match key.kind:
            case "GatewayClass":
                await self._class(key)
            case "Gateway":
                return await self._gateway(key, identity)
            case "ListenerSet":
                return await self._parent(key, identity)
            case "BackendTLSPolicy":
                await self._policy(key)
            case _ if key.kind in ROUTE_KINDS:
                await self._route(key)
            case _ if key == FLEETS:
                return await self._fronts.tend(identity)
        return None

    async def _write(self, kind: Kind[ObjectT], item: ObjectT, desired: Callable[[ObjectT], Mapping[str, Any]]) -> None:
        """Write a status that follows from this generation of the object; that of a newer one follows later."""
        generation = item.metadata.generation
        writer = StatusWriter(self._client, kind)
        written = await writer.write(item, lambda one: desired(one) if one.metadata.generation == generation else {})
        if written is not None and written is not item:
            self._record(kind, item, written)

    def _record(self, kind: Kind[ObjectT], before: ObjectT, after: ObjectT) -> None:
        """Record events about what is not in order now; what an Envoy refuses has an event already."""
        refusal = self._refusals.of(owner(kind.kind, after.key))
        for event in problem_events(before, after):
            if not refusal or refusal not in event.message:
                self._recorder.event(kind, after, event.reason, event.message, warning=True)

    async def _class(self, key: Owner) -> None:
        item = self._objects.gateway_classes.get(key.key)
        if item is None or item.spec.controller_name != self._objects.controller:
            return
        features, now = supported(await release.is_experimental(self._client)), datetime.now(UTC)
        message, version = class_problem(item, self._objects), await release.release(self._client)
        problem = condition("Accepted", False, "InvalidParameters", message) if message else None
        await self._write(GATEWAY_CLASSES, item, lambda one: class_status(one, problem, features, version, now))

    async def _parent(self, key: Owner, identity: Identity) -> float | None:
        """Write a Gateway with its ListenerSets; of a ListenerSet of no Gateway of this controller nothing."""
        item = self._objects.listener_sets.get(key.key)
        if item is None:
            return None
        return await self._gateway(owner("Gateway", item.spec.parent_ref.key(key.namespace)), identity)

    async def _gateway(self, key: Owner, identity: Identity) -> float | None:
        item = self._objects.gateways.get(key.key)
        if item is None or not self._objects.is_ours(item):
            return self._fronts.release(key.key)
        if item.metadata.deletion_timestamp:
            return None
        problems = (*gateway_problems(item, self._objects), *self._faults(key))
        is_accepted = all(one.type != "Accepted" for one in problems)
        again = await self._fronts.provide(item, identity) if is_accepted else None
        proxy = proxy_name(item)
        found = self._fronts.addresses(item)
        listeners = [self._served(proxy, one) for one in self._translation.states(item.key)]
        sets: dict[NamespacedName, list[ServedListener]] = defaultdict(list)
        for one in listeners:
            if one.state.parent.kind == "ListenerSet":
                sets[one.state.parent.key].append(one)
        attached, now = sum(map(is_attached, sets.values())) if is_accepted else 0, datetime.now(UTC)
        await self._write(GATEWAYS, item, lambda one: gateway_status(one, problems, listeners, found, attached, now))
        await self._listener_sets(item, sets, is_accepted=is_accepted)
        return again

    async def _listener_sets(
        self, gateway: Gateway, sets: Mapping[NamespacedName, list[ServedListener]], *, is_accepted: bool
    ) -> None:
        now = datetime.now(UTC)
        for item in self._objects.listener_sets_of(gateway.key):
            if item.metadata.deletion_timestamp:
                continue
            admitted, listeners = admits_set(gateway, item, self._objects), sets.get(item.key, [])
            await self._write(
                LISTENER_SETS,
                item,
                lambda one, listeners=listeners, admitted=admitted: listener_set_status(  # type: ignore[misc]
                    one, listeners, now, admitted=admitted, parent_accepted=is_accepted
                ),
            )

    def _faults(self, key: Owner) -> tuple[Problem, ...]:
        fault = self._translation.faults.of(key)
        return (condition("Programmed", False, "Invalid", _NOT_DERIVED.format(fault)),) if fault else ()

    def _served(self, proxy: str, state: ListenerState) -> ServedListener:
        """Return a listener with what its Envoys have acknowledged."""
        keys, found = self._translation.keys_of(state), self._proxies.get(proxy)
        pending = (
            programming.pending(found, self._fronts.ready(proxy), keys) if keys else "the configuration is being made"
        )
        routes = self._translation.attached_routes(state)
        return ServedListener(state, routes, pending, programming.refusal(found, keys))

    async def _route(self, key: Owner) -> None:
        item = self._objects.routes.get(key)
        if item is None or item.metadata.deletion_timestamp:
            return
        found, now = self._translation.attachments(key), datetime.now(UTC)
        verdict = self._verdict(key)
        await self._write(ROUTE_KINDS[key.kind], item, lambda one: route_status(one, found, verdict, now))

    def _verdict(self, key: Owner) -> Verdict:
        rules = self._translation.translated(key)
        if rules.unsupported:
            return Verdict(
                rules.unsupported_reason or "UnsupportedValue", rules.unsupported, unresolved=rules.unresolved
            )
        if fault := self._translation.faults.of(key):
            return Verdict("UnsupportedValue", _NOT_DERIVED.format(fault))
        refusal = self._refusals.of(key)
        message = f"Envoy refuses it: {refusal}: change what this names" if refusal else ""
        return Verdict("UnsupportedValue" if refusal else "", message, rules.dropped, rules.unresolved)

    async def _policy(self, key: Owner) -> None:
        item = self._objects.policies.get(key.key)
        if not isinstance(item, BackendTLSPolicy) or item.metadata.deletion_timestamp:
            return
        gateways = {
            attachment.gateway
            for service in item.services
            for route in self._objects.routes_to(service)
            for attachment in self._translation.attachments(route)
            if attachment.listeners
        }
        state, now = policy_state(item, self._objects), datetime.now(UTC)
        await self._write(BACKEND_TLS_POLICIES, item, lambda one: policy_status(one, gateways, state, now))

"""The parts of objects with paths of their own: status, scale, binding, eviction, finalize, and streams of pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from podwire.apiserver.answers import Answer
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.requests import json_response
from podwire.apiserver.base.status import Success
from podwire.apiserver.handlers import eviction, scale
from podwire.apiserver.kinds import conversion
from podwire.apiserver.kinds.builtin import BUILTIN, PROXY_VERBS
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.streams import pod_streams
from podwire.apiserver.streams.connect_options import connect_options
from podwire.apiserver.streams.proxy_handler import ProxyHandler
from podwire.apiserver.writes.options import WriteOptions
from podwire.apiserver.writes.parts import BINDING, EPHEMERAL_CONTAINERS, FINALIZERS, STATUS
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from podwire.apiserver.call import Call
    from podwire.apiserver.kinds.custom_resource import ScalePaths
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.reads.reader import Reader
    from podwire.apiserver.streams.node_dialer import NodeDialer
    from podwire.apiserver.streams.relays import Relay
    from podwire.apiserver.writes.parts import Part
    from podwire.apiserver.writes.writer import Change, Writer, Written

Object = dict[str, Any]

BUDGETS = next(resource for resource in BUILTIN if resource.kind == "PodDisruptionBudget")


class Subresources:
    """Handlers by subresource name and verb."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        dialer: NodeDialer,
        clock: Callable[[], datetime],
        token: Callable[[Call], Awaitable[Answer]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._dialer = dialer
        self._proxies = ProxyHandler(reader, dialer)
        self._clock = clock
        self._handlers: dict[str, dict[str, Callable[[Call], Awaitable[Answer]]]] = {
            "status": {"get": self._object, "update": self._status, "patch": self._status},
            "ephemeralcontainers": {"get": self._object, "update": self._debug, "patch": self._debug},
            "finalize": {"update": self._finalize},
            "scale": {"get": self._scale, "update": self._change_scale, "patch": self._change_scale},
            "binding": {"create": self._bind},
            "eviction": {"create": self._evict},
            "token": {"create": token},
            "log": {"get": self._log},
            "exec": {"get": self._stream, "create": self._old_stream},
            "attach": {"get": self._stream, "create": self._old_stream},
            "portforward": {"get": self._stream, "create": self._old_stream},
            "proxy": dict.fromkeys((*PROXY_VERBS, ""), self._proxy),
        }

    async def handle(self, call: Call) -> Answer:
        """Answer a request on a subresource; raises StatusError 404 or 405 where it is not served."""
        by_verb = self._handlers.get(call.route.subresource)
        if by_verb is None or call.route.subresource not in call.resource.subresources:
            raise status.no_such_path()
        handler = by_verb.get(call.verb)
        if handler is None:
            raise status.method_not_allowed(call.resource)
        return await handler(call)

    async def _object(self, call: Call) -> Answer:
        return self._reader.get(call.request, call.resource, call.key)

    async def _status(self, call: Call) -> Answer:
        return await self._part(call, STATUS)

    async def _debug(self, call: Call) -> Answer:
        return await self._part(call, EPHEMERAL_CONTAINERS)

    async def _finalize(self, call: Call) -> Answer:
        return await self._part(call, FINALIZERS)

    async def _part(self, call: Call, part: Part) -> Answer:
        """Change one part of an object, by PUT, PATCH or server-side apply."""
        if call.applies:
            config, options = call.configuration(), call.write_options()
            return call.written(await self._writer.apply(call.resource, call.key, config, options, part=part))
        written = await self._writer.update(call.resource, call.key, call.change(), call.write_options(), part)
        return call.written(written)

    async def _scale(self, call: Call) -> Answer:
        return scale.answer(call.request, scale.from_workload(self._workload(call), _scale_paths(call.resource)))

    async def _change_scale(self, call: Call) -> Answer:
        paths = _scale_paths(call.resource)
        written = await (self._apply_scale(call, paths) if call.applies else self._update_scale(call, paths))
        workload = conversion.from_storage(call.resource, written.stored.object())
        return scale.answer(call.request, scale.from_workload(workload, paths), written.warnings)

    async def _apply_scale(self, call: Call, paths: ScalePaths | None) -> Written:
        resource = call.resource
        named = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": call.key.name}}
        config = scale.into_workload(call.configuration(), named, paths)
        return await self._writer.apply(resource, call.key, config, call.write_options())

    async def _update_scale(self, call: Call, paths: ScalePaths | None) -> Written:
        desired = call.change()

        def change(workload: Object) -> Object:
            return scale.into_workload(desired(scale.from_workload(workload, paths)), workload, paths)

        return await self._writer.update(call.resource, call.key, change, call.write_options())

    def _workload(self, call: Call) -> Object:
        return conversion.from_storage(call.resource, self._reader.stored(call.resource, call.key).object())

    async def _bind(self, call: Call) -> Answer:
        target = call.body().get("target")
        node = target.get("name") if isinstance(target, dict) else None
        if not isinstance(node, str) or not node:
            raise status.invalid(call.resource, call.key.name, [field_errors.required("target.name")])
        change = _binding(call, node, timestamp(self._clock()))
        written = await self._writer.update(call.resource, call.key, change, call.write_options(), BINDING)
        return json_response(Success(code=201).json(), 201, written.warnings)

    async def _evict(self, call: Call) -> Answer:
        """Delete a pod if its disruption budget allows it; the budget is charged first."""
        sent = call.write_options()
        warnings = tuple(entry.message for entry in sent.duplicates)
        if warnings and sent.field_validation == "Strict":
            why = f"strict decoding error: {', '.join(warnings)}"
            raise status.bad_request(f'Eviction in version "v1" cannot be handled as a Eviction: {why}')
        inner = call.body().get("deleteOptions")
        options = call.delete_options({} if inner is None else inner)
        pod = self._reader.stored(call.resource, call.key).object()
        budgets = [entry.object() for entry in self._reader.all(BUDGETS, call.key.namespace)]
        budget = eviction.budget_of(pod, budgets)
        now = timestamp(self._clock())
        written = replace(sent, dry_run=options.dry_run, duplicates=())
        if budget is not None:
            key = Key(BUDGETS.storage, call.key.namespace, budget["metadata"]["name"])
            await self._writer.update(BUDGETS, key, lambda stored: eviction.charge(stored, pod, now), written, STATUS)
        this = options.uid in {"", pod["metadata"]["uid"]} and not options.resource_version
        if this and not options.dry_run:
            await self._writer.update(
                call.resource, call.key, lambda stored: eviction.mark(stored, now), written, STATUS
            )
        await self._writer.delete(call.resource, call.key, options)
        return json_response(Success(code=201).json(), 201, warnings)

    async def _log(self, call: Call) -> Answer:
        return self._relay(call)

    async def _stream(self, call: Call) -> Answer:
        await self._admit(call)
        if call.request.headers.get("upgrade", "").lower() != "websocket":
            raise status.bad_request("Upgrade request required: this stream is a WebSocket")
        return self._relay(call)

    async def _old_stream(self, call: Call) -> Answer:
        """kubectl tries SPDY after a refused WebSocket: without upgrade, the kubelet answers with the reason."""
        await self._admit(call)
        return replace(self._relay(call), streams=False)

    def _relay(self, call: Call) -> Relay:
        pod = self._reader.stored(call.resource, call.key).object()
        return pod_streams.relay(call.request, call.route.subresource, pod, self._dialer)

    async def _proxy(self, call: Call) -> Answer:
        await self._admit(call)
        return await self._proxies.answer(call)

    async def _admit(self, call: Call) -> None:
        """Judge a request that connects; raises StatusError where a policy denies it."""
        options = connect_options(call.request, call.resource.kind, call.route.subresource, call.route.rest)
        by = WriteOptions(user=call.request.user, subresource=call.route.subresource)
        await self._writer.admit_connection(call.resource, call.key, options, by)


def _scale_paths(resource: Resource) -> ScalePaths | None:
    return None if resource.custom is None else resource.custom.scale


def _binding(call: Call, node: str, now: str) -> Change:
    """Put a pod on a node, once."""

    def change(pod: Object) -> Object:
        spec = pod.get("spec") or {}
        if spec.get("nodeName"):
            why = f"pod {call.key.name} is already assigned to node {spec['nodeName']}"
            raise status.conflict(call.resource, call.key.name, why)
        if "deletionTimestamp" in pod["metadata"]:
            raise status.conflict(call.resource, call.key.name, f"pod {call.key.name} is being deleted")
        state = pod.get("status") or {}
        others = [one for one in state.get("conditions") or () if one.get("type") != "PodScheduled"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
        return {
            **pod,
            "spec": {**spec, "nodeName": node},
            "status": {**state, "conditions": [*others, scheduled]},
        }

    return change

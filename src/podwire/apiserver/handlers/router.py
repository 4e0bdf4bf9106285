"""The API: a request in, an answer out. No sockets here; `server.py` speaks HTTP.

authenticate -> route -> authorize -> handler
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from podwire.apiserver.access import request_attributes
from podwire.apiserver.access.audit import Outcome
from podwire.apiserver.answers import Answer
from podwire.apiserver.base import routes, status
from podwire.apiserver.base.requests import Response, json_response
from podwire.apiserver.base.status import StatusError, Success
from podwire.apiserver.call import Call
from podwire.apiserver.documents.metrics import Served
from podwire.apiserver.reads import negotiation
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.apiserver.writes import deletion, unimplemented

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from podwire.apiserver.access.access import Access
    from podwire.apiserver.base.attributes import Attributes
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.definitions.on_demand import OnDemandDefinitions
    from podwire.apiserver.documents.nonresource import ServerDocuments
    from podwire.apiserver.handlers.subresources import Subresources
    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.reads.reader import Reader
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]

log = logging.getLogger(__name__)

DELETED_AT_ONCE = 100
"""Objects of a collection whose deletions run side by side."""

_SHOWN_WHEN_DELETED = frozenset({"pods", "services", "serviceaccounts"})
"""Storages whose DELETE answers the object rather than a Status, as upstream's do."""


@dataclass(slots=True)
class _RequestContext:
    """One request on its way, and what is known of it so far."""

    request: Request
    attributes: Attributes
    begun: datetime
    user: User | None = None
    resource: Resource | None = None


class Api:
    """All that the server can answer."""

    def __init__(
        self,
        registry: Registry,
        documents: ServerDocuments,
        reader: Reader,
        writer: Writer,
        subresources: Subresources,
        access: Access,
        on_demand: Sequence[OnDemandDefinitions],
    ) -> None:
        self._on_demand = on_demand
        self._registry = registry
        self._documents = documents
        self._reader = reader
        self._writer = writer
        self._subresources = subresources
        self._access = access
        self._verbs: dict[str, Callable[[Call], Awaitable[Answer]]] = {
            "list": self._collection,
            "watch": self._collection,
            "get": self._get,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def handle(self, request: Request) -> Answer:
        """Answer a request. Never raises: refusals and faults become Status objects."""
        context = _RequestContext(request, request_attributes.on_path(request), datetime.now(UTC))
        try:
            answer = await self._answer(context)
        except StatusError as refusal:
            self._record(context, refusal.code, refusal.reason)
            return _as_read(request, _refusal(refusal))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            self._record(context, 500, "InternalError")
            return _refusal(status.internal("this is a fault of the server; its log has the details"))
        self._record(
            context, answer.code if isinstance(answer, Response) else 200, streams=not isinstance(answer, Response)
        )
        return _as_read(request, answer) if isinstance(answer, Response) else answer

    async def _answer(self, context: _RequestContext) -> Answer:
        context.user = self._access.auth_filter.authenticate(context.request)
        route = routes.parse(context.request.path)
        if route is not None:
            context.attributes = request_attributes.on_resource(context.request, route)
        request = context.request = self._access.auth_filter.admit(context.request, context.user, context.attributes)
        for on_demand in self._on_demand:
            await on_demand.prepare(request, route)
        resource = self._registry.find(route.group, route.version, route.plural) if route else None
        context.resource = resource
        if route is None or resource is None:
            return self._documents.answer(request)
        if bool(route.namespace) > resource.namespaced:
            raise status.no_such_path()
        call = Call(request, resource, route, request_attributes.verb(request, route))
        answer = await self._handle_resource(call)
        warnings = tuple(
            filter(None, (resource.warning, unimplemented.warning(resource, call.verb, route.subresource)))
        )
        if warnings and isinstance(answer, Response | WatchAnswer):
            return replace(answer, warnings=(*warnings, *answer.warnings))
        return answer

    def _record(self, context: _RequestContext, code: int, reason: str = "", *, streams: bool = False) -> None:
        self._documents.metrics.count(_served(context), code)
        if self._access.audit is not None:
            outcome = Outcome(context.user, context.attributes, code, reason, streams)
            self._access.audit.record(context.request, outcome, context.begun)

    async def _handle_resource(self, call: Call) -> Answer:
        route, resource = call.route, call.resource
        if route.name and resource.namespaced and not route.namespace:
            raise status.no_such_path()
        if route.subresource:
            return await self._subresources.handle(call)
        if call.verb not in resource.verbs or call.verb not in self._verbs:
            raise status.method_not_allowed(resource)
        if resource.namespaced and not route.namespace and call.verb in {"create", "deletecollection"}:
            raise status.method_not_allowed(resource)
        if not resource.storage:
            return await self._access.reviews.answer(call)
        return await self._verbs[call.verb](call)

    async def _get(self, call: Call) -> Answer:
        return self._reader.get(call.request, call.resource, call.key)

    async def _collection(self, call: Call) -> Answer:
        return await self._reader.collection(call.request, call.resource, call.route.namespace)

    async def _create(self, call: Call) -> Answer:
        body = call.body()
        written = await self._writer.create(call.resource, call.route.namespace, body, call.write_options(body))
        return call.written(written, 201)

    async def _update(self, call: Call) -> Answer:
        written = await self._writer.update(call.resource, call.key, call.change(), call.write_options())
        return call.written(written)

    async def _patch(self, call: Call) -> Answer:
        if not call.applies:
            return await self._update(call)
        config, options = call.configuration(), call.write_options()
        written = await self._writer.apply(call.resource, call.key, config, options, lambda: self._check_create(call))
        return call.written(written, 201 if written.created else 200)

    def _check_create(self, call: Call) -> None:
        """Raise StatusError 403 where an apply would create an object and the user may not create it."""
        if call.request.user is not None:
            attributes = replace(request_attributes.on_resource(call.request, call.route), verb="create")
            self._access.auth_filter.check(call.request.user, attributes)

    async def _delete(self, call: Call) -> Answer:
        written = await self._writer.delete(call.resource, call.key, call.delete_options())
        if not written.gone or call.resource.storage in _SHOWN_WHEN_DELETED:
            return call.written(written)
        details = status.about(call.resource, call.key.name, written.stored.uid)
        return json_response(Success(details).json(), warnings=written.warnings)

    async def _delete_collection(self, call: Call) -> Answer:
        """Delete what is selected; the answer lists what was there. A slice at a time shares commits to the disk."""
        options = call.delete_options()
        selected = self._reader.select(call.request, call.resource, call.route.namespace)
        items = [item for item in self._reader.all(call.resource, call.route.namespace) if selected.matches(item)]
        for first in range(0, len(items), DELETED_AT_ONCE):
            some = items[first : first + DELETED_AT_ONCE]
            deletions = (self._writer.delete(call.resource, item.key, options) for item in some)
            for outcome in await asyncio.gather(*deletions, return_exceptions=True):
                if isinstance(outcome, BaseException) and not _is_not_found(outcome):
                    raise outcome
        answer = self._reader.answer_list(call.request, call.resource, items)
        return replace(answer, warnings=deletion.warnings(call.resource, options))


def _served(context: _RequestContext) -> Served:
    """The labels of a request: names of what is served alone, as clients may write anything into a path."""
    attributes, resource = context.attributes, context.resource
    if resource is None:
        return (attributes.verb if attributes.verb in {"get", "head"} else "", "", "", "", "")
    part = attributes.subresource if attributes.subresource in resource.subresources else ""
    return (attributes.verb, resource.group, resource.version, resource.plural, part)


def _is_not_found(outcome: BaseException) -> bool:
    return isinstance(outcome, StatusError) and outcome.code == 404


def _refusal(refusal: StatusError) -> Response:
    wait = refusal.details.retry_after_seconds
    answer = json_response(refusal.json(), refusal.code)
    return replace(answer, headers={"Retry-After": str(wait)}) if wait else answer


def _as_read(request: Request, answer: Response) -> Response:
    """The same answer as YAML where that is accepted first, and indented for user agents of people."""
    if not answer.content_type.startswith("application/json") or request.path.startswith("/openapi"):
        return answer
    if negotiation.wants_yaml(request.headers.get("accept", "")):
        return _as_yaml(answer)
    if answer.body and negotiation.wants_pretty(request.parameter("pretty"), request.headers.get("user-agent", "")):
        return replace(answer, body=msgspec.json.format(answer.body, indent=2) + b"\n")
    return answer


def _as_yaml(answer: Response) -> Response:
    """The same answer as YAML."""
    from podwire.apiserver.bodies import yaml_text

    return replace(answer, body=yaml_text.write(answer.body), content_type="application/yaml")

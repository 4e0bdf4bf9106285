"""The API: a request in, an answer out. No sockets here; `server.py` speaks HTTP.

authenticate -> route -> authorize -> handler
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from podwire.apiserver import negotiation, routes, status
from podwire.apiserver.authorization import Attributes, allow_authenticated, refusal
from podwire.apiserver.calls import Call
from podwire.apiserver.requests import Answer, Response, json_response
from podwire.apiserver.revisions import decode
from podwire.apiserver.status import StatusError, Success

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podwire.apiserver.authorization import Authorize
    from podwire.apiserver.documents import ServerDocuments
    from podwire.apiserver.reads import Reader
    from podwire.apiserver.requests import Request
    from podwire.apiserver.resources import Registry, Resource
    from podwire.apiserver.routes import Route
    from podwire.apiserver.subresources import Subresources
    from podwire.apiserver.writes import Writer

Object = dict[str, Any]

log = logging.getLogger(__name__)

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PART_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_STREAMS = frozenset({"exec", "attach", "portforward"})
_SHOWN_WHEN_DELETED = frozenset({"pods", "services", "serviceaccounts"})
"""Storages whose DELETE answers the object rather than a Status, as upstream's do."""


class Api:
    """All that the server can answer."""

    def __init__(
        self,
        registry: Registry,
        documents: ServerDocuments,
        reader: Reader,
        writer: Writer,
        subresources: Subresources,
        authorize: Authorize = allow_authenticated,
    ) -> None:
        self._registry = registry
        self._documents = documents
        self._reader = reader
        self._writer = writer
        self._subresources = subresources
        self._authorize = authorize
        self._verbs: dict[str, Callable[[Call], Awaitable[Answer]]] = {
            "list": self._collection,
            "watch": self._collection,
            "get": self._get,
            "create": self._create,
            "update": self._update,
            "patch": self._update,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def handle(self, request: Request) -> Answer:
        """Answer a request. Never raises: refusals and faults become Status objects."""
        try:
            answer = await self._answer(request)
        except StatusError as refusal:
            return _refusal(refusal)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return _refusal(status.internal("this is a fault of the server; its log has the details"))
        if isinstance(answer, Response) and negotiation.wants_yaml(request.headers.get("accept", "")):
            return _as_yaml(answer)
        return answer

    async def _answer(self, request: Request) -> Answer:
        if request.user is None:
            raise status.unauthorized()
        route = routes.parse(request.path)
        resource = self._registry.find(route.group, route.version, route.plural) if route else None
        if route is None or resource is None:
            self._check_access(request, Attributes(request.method.lower(), path=request.path))
            return self._documents.answer(request)
        if bool(route.namespace) > resource.namespaced:
            raise status.no_such_path()
        verb = _verb(request, route)
        self._check_access(request, _attributes(verb, route), resource)
        return await self._handle_resource(Call(request, resource, route, verb))

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
        return await self._verbs[call.verb](call)

    def _check_access(self, request: Request, attributes: Attributes, resource: Resource | None = None) -> None:
        if request.user is None:
            raise status.unauthorized()
        decision = self._authorize(request.user, attributes)
        if not decision.allowed:
            raise refusal(request.user, attributes, decision.reason)

    async def _get(self, call: Call) -> Answer:
        return self._reader.get(call.request, call.resource, call.key)

    async def _collection(self, call: Call) -> Answer:
        return await self._reader.collection(call.request, call.resource, call.route.namespace)

    async def _create(self, call: Call) -> Answer:
        written = await self._writer.create(call.resource, call.route.namespace, call.body(), call.write_options())
        return call.written(written, 201)

    async def _update(self, call: Call) -> Answer:
        written = await self._writer.update(call.resource, call.key, call.change(), call.write_options())
        return call.written(written)

    async def _delete(self, call: Call) -> Answer:
        written = await self._writer.delete(call.resource, call.key, call.delete_options())
        if not written.gone or call.resource.storage in _SHOWN_WHEN_DELETED:
            return call.written(written)
        details = status.about(call.resource, call.key.name, written.stored.uid)
        return json_response(Success(details).json())

    async def _delete_collection(self, call: Call) -> Answer:
        """Delete what is selected, one by one; the answer lists what was there."""
        options = call.delete_options()
        selected = self._reader.select(call.request, call.resource, call.route.namespace)
        items = [item for item in self._reader.all(call.resource, call.route.namespace) if selected.matches(item)]
        for item in items:
            try:
                await self._writer.delete(call.resource, item.key, options)
            except StatusError as refusal:
                if refusal.code != 404:
                    raise
        return self._reader.answer_list(call.request, call.resource, items)


def _verb(request: Request, route: Route) -> str:
    """The verb of a request, as access rules name it; raises StatusError 405."""
    verbs = _PART_VERBS if route.subresource else _OBJECT_VERBS if route.name else _COLLECTION_VERBS
    verb = verbs.get(request.method, "")
    if not verb:
        raise status.method_not_allowed()
    return "watch" if verb == "list" and request.flag("watch") else verb


def _attributes(verb: str, route: Route) -> Attributes:
    asked = "create" if route.subresource in _STREAMS else verb
    return Attributes(asked, route.group, route.version, route.plural, route.subresource, route.namespace, route.name)


def _refusal(refusal: StatusError) -> Response:
    wait = refusal.details.retry_after_seconds
    answer = json_response(refusal.json(), refusal.code)
    return replace(answer, headers={"Retry-After": str(wait)}) if wait else answer


def _as_yaml(answer: Response) -> Response:
    """The same answer as YAML."""
    if not answer.content_type.startswith("application/json"):
        return answer
    import yaml

    text = yaml.safe_dump(decode(answer.body), sort_keys=False, allow_unicode=True)
    return replace(answer, body=text.encode(), content_type="application/yaml")

"""The attributes of a request for authorization.

Source: k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import status
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.reads import selectors

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.base.routes import Route

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PART_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_STREAMS = frozenset({"exec", "attach", "portforward"})


def verb(request: Request, route: Route) -> str:
    """The verb of a request on a resource; empty, as upstream, for OPTIONS through a proxy. Raises StatusError 405."""
    verbs = _PART_VERBS if route.subresource else _OBJECT_VERBS if route.name else _COLLECTION_VERBS
    found = verbs.get(request.method, "")
    if not found and (route.subresource, request.method) != ("proxy", "OPTIONS"):
        raise status.method_not_allowed()
    return "watch" if found == "list" and request.flag("watch") else found


def on_path(request: Request) -> Attributes:
    """The attributes of a request whose path is none of a resource."""
    return Attributes(request.method.lower(), path=request.path)


def on_resource(request: Request, route: Route) -> Attributes:
    """The attributes of a request on a resource; raises StatusError 405.

    A list or watch of one name has that name, and the namespace of a Namespace is its own name.
    """
    found = verb(request, route)
    name = route.name or (_selected_name(request) if found in {"list", "watch"} else "")
    own = route.name if (route.group, route.plural) == ("", "namespaces") else ""
    return Attributes(
        verb="create" if route.subresource in _STREAMS else found,
        group=route.group,
        version=route.version,
        resource=route.plural,
        subresource=route.subresource,
        namespace=route.namespace or own,
        name=name,
    )


def _selected_name(request: Request) -> str:
    """The one name that the field selector leaves; empty where it leaves several, or cannot be read."""
    text = request.parameter("fieldSelector")
    if "metadata.name" not in text:
        return ""
    try:
        terms = selectors.selection("", "", "", text).fields
    except status.StatusError:
        return ""
    return next((term.value for term in terms if term.path == "metadata.name" and term.equal), "")

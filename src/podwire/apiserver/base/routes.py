"""Paths of the API: which resource, object and part of it a request means.

    /api/<version>/...  /apis/<group>/<version>/...
        <resource>[/<name>[/<subresource>]]
        namespaces/<namespace>/<resource>[/<name>[/<subresource>]]
    .../proxy/<anything>

Source: k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

NAMESPACE_PARTS = frozenset({"status", "finalize"})
"""Subresources of a namespace itself: `namespaces/a/status` is no collection called status."""

_PROXIED = re.compile(r"(?P<own>/api/v1/(?:namespaces/[^/]+/(?:services|pods)|nodes)/[^/]+/proxy)(?P<rest>(?:/.*)?)\Z")


class Route(msgspec.Struct, frozen=True, gc=False):
    """Where a resource request goes. Empty parts are absent."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource `proxy`, as it was sent: a path of the backend."""


def parse(path: str) -> Route | None:
    """The route of a path as it was sent, still escaped; None where the path is not one of a resource."""
    if proxied := _PROXIED.match(path):
        route = _parse(proxied["own"])
        return None if route is None else replace(route, rest=proxied["rest"])
    return _parse(path)


def _parse(path: str) -> Route | None:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if any(part in {"", ".", ".."} or "/" in part for part in parts):
        return None
    match parts:
        case ["api", version, *rest] if rest:
            return _route("", version, rest)
        case ["apis", group, version, *rest] if rest:
            return _route(group, version, rest)
        case _:
            return None


def _route(group: str, version: str, rest: list[str]) -> Route | None:
    namespace = ""
    match rest:
        case ["namespaces", name, *inner] if inner and not (len(inner) == 1 and inner[0] in NAMESPACE_PARTS):
            namespace, rest = name, inner
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Route(group, version, plural, namespace, name, subresource)

"""Where the streams of a pod come from: a path and a query of the kubelet of its node.

Source: k8s.io/kubernetes `pkg/registry/core/pod/strategy.go` streamLocation, `pkg/kubelet/server/server.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from podwire.apiserver.base import status
from podwire.apiserver.streams.node_dialer import NodeUnknownError
from podwire.apiserver.streams.relays import Relay

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.streams.node_dialer import NodeDialer
    from podwire.http.reverse_proxy import Endpoint

Object = dict[str, Any]

_LOG = ("follow", "previous", "tailLines", "sinceSeconds", "sinceTime", "limitBytes", "timestamps")
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""Parameters of a client, and what the kubelet calls them."""

PATHS = {
    "log": ("containerLogs", _LOG),
    "exec": ("exec", ("command",)),
    "attach": ("attach", ()),
    "portforward": ("portForward", ()),
}
"""Subresource: first part of the kubelet's path, and the parameters that are passed on as they are."""

_KNOWS_READERS = frozenset({"log", "attach"})
_STARTERS = frozenset({"kubectl run", "kubectl debug"})
"""Commands that start a container and then read its output."""

_CHANNELS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")
PROTOCOLS = {
    "exec": _CHANNELS,
    "attach": _CHANNELS,
    "portforward": ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", ""),
}
"""The WebSocket subprotocols of each, the best first (k8s.io/apimachinery `util/remotecommand`, `util/portforward`)."""

_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def relay(request: Request, subresource: str, pod: Object, dialer: NodeDialer) -> Relay:
    """Where to get one of a pod's streams; raises StatusError 400 where the pod cannot have one."""
    own, spec = pod["metadata"], pod.get("spec") or {}
    parts = [own["namespace"], own["name"]]
    if subresource != "portforward":
        parts.append(_container(pod, request.parameter("container")))
    node = spec.get("nodeName", "")
    if not node:
        raise status.bad_request(f"pod {own['name']} does not have a host assigned: it is not scheduled yet")
    endpoint = kubelet_of(dialer, node)
    first, passed = PATHS[subresource]
    path = "/".join(quote(part, safe="") for part in (first, *parts))
    query = tuple((name, value) for name in passed for value in request.query.get(name, ()))
    if subresource in {"exec", "attach"}:
        query += tuple((theirs, "1") for name, theirs in _STREAMS.items() if request.flag(name))
    if subresource == "portforward":
        query += tuple(("port", value) for value in request.query.get("ports", ()))
    if subresource in _KNOWS_READERS:
        query += _reader(request)
    protocols = PROTOCOLS.get(subresource, ())
    return Relay(endpoint, f"/{path}", query, subresource != "log", protocols)


def kubelet_of(dialer: NodeDialer, node: str) -> Endpoint:
    """The kubelet of a node; raises StatusError 400 for a node that cannot be dialled."""
    try:
        return dialer.kubelet(node)
    except NodeUnknownError as error:
        raise status.bad_request(str(error)) from error


def _reader(request: Request) -> tuple[tuple[str, str], ...]:
    """Which run of a client sent it, and whether that run made the container, by kubectl's own headers (KEP-859)."""
    who = request.user.name if request.user is not None else ""
    session = request.headers.get("kubectl-session", "")
    started = request.headers.get("kubectl-command", "") in _STARTERS
    return (*((("reader", f"{who}/{session}"),) if session else ()), *((("startedIt", "true"),) if started else ()))


def _container(pod: Object, requested: str) -> str:
    """The container that is meant: the named one, or the only one."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    names = [c.get("name", "") for part in _CONTAINER_LISTS for c in spec.get(part) or ()]
    if requested:
        if requested not in names:
            raise status.bad_request(f"container {requested} is not valid for pod {name}: it has {', '.join(names)}")
        return requested
    main = [c.get("name", "") for c in spec.get("containers") or ()]
    annotated = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container", "")
    if annotated in main:
        return str(annotated)
    if len(main) != 1:
        raise status.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
        )
    return str(main[0])

"""The options of a request that connects: what admission policies read as `object`. Pure.

Source: k8s.io/api `core/v1/types.go` PodExecOptions and its like, k8s.io/apimachinery `pkg/conversion/queryparams`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request

Object = dict[str, Any]

_KINDS = {
    "exec": "PodExecOptions",
    "attach": "PodAttachOptions",
    "portforward": "PodPortForwardOptions",
}
_FLAGS = ("stdin", "stdout", "stderr", "tty")


def connect_options(request: Request, kind: str, subresource: str, rest: str) -> Object:
    """Return the options of a request on a subresource of a kind; `rest` is the path after it."""
    named = {"apiVersion": "v1", "kind": _KINDS.get(subresource) or f"{kind}ProxyOptions"}
    match subresource:
        case "proxy":
            return {**named, **({"path": rest} if rest else {})}
        case "portforward":
            return {**named, **_given("ports", _ports(request))}
        case "exec":
            return {**named, **_streams(request), **_given("command", list(request.query.get("command", ())))}
        case _:
            return {**named, **_streams(request)}


def _streams(request: Request) -> Object:
    flags = {name: True for name in _FLAGS if request.flag(name)}
    return {**flags, **_given("container", request.parameter("container"))}


def _ports(request: Request) -> list[int]:
    words = (word for value in request.query.get("ports", ()) for word in value.split(","))
    return [int(word) for word in words if word.isdecimal()]


def _given(name: str, value: object) -> Object:
    return {name: value} if value else {}

"""Changes of headers, as routes and weighted clusters have them."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2

from podwire.edge.model.filters import Header, HeaderChanges

HOST = "host"
_SET = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def request(changes: HeaderChanges) -> dict[str, Any]:
    """Return the arguments for changes of a request's headers. Host is set by rewriting it: `host`."""
    return {
        "request_headers_to_add": _options(changes, HOST),
        "request_headers_to_remove": [name for name in changes.remove if name.lower() != HOST],
    }


def response(changes: HeaderChanges) -> dict[str, Any]:
    """Return the arguments for changes of a response's headers."""
    return {
        "response_headers_to_add": _options(changes, ""),
        "response_headers_to_remove": list(changes.remove),
    }


def host(changes: HeaderChanges) -> str:
    """Return the Host that is set; empty: none. Envoy refuses it among the other headers."""
    return next((one.value for one in (*changes.set, *changes.add) if one.name.lower() == HOST), "")


def _options(changes: HeaderChanges, without: str) -> list[Any]:
    kept = [(one, _SET) for one in changes.set] + [(one, _ADD) for one in changes.add]
    return [_option(one, action) for one, action in kept if one.name.lower() != without]


def _option(header: Header, action: Any) -> Any:
    """Percent signs are commands of Envoy in values, so they are doubled."""
    value = base_pb2.HeaderValue(key=header.name, value=header.value.replace("%", "%%"))
    return base_pb2.HeaderValueOption(header=value, append_action=action, keep_empty_value=True)

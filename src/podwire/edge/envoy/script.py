"""What no filter of Envoy does: off in a listener, on in the routes that have it. The script itself is location.lua."""

from __future__ import annotations

import functools
import ipaddress
from importlib import resources
from typing import Any

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf import struct_pb2

from podwire.edge.envoy.message import packed
from podwire.edge.model.script import Script

FILTER = "envoy.filters.http.lua"
FILE = "location.lua"
METADATA, LOG, ON = "podwire", "log", "on"
"""What the script writes for the access log: any other text leaves a request out."""
USER = "user:"
"""Before the names of users: the script looks up one of them, not all."""


def listener_filter() -> Any:
    """Return the filter of a listener, disabled."""
    return http_connection_manager_pb2.HttpFilter(name=FILTER, typed_config=_filter(), disabled=True)


def per_route(script: Script) -> Any:
    """Return the filter's configuration for a route: values for the script, which is the same for all."""
    values = msgspec.to_builtins(script)
    if script.passwords is not None:
        hashes = values["passwords"].pop("hashes")
        values |= {f"{USER}{name}": one for name, one in hashes.items()}
    if script.connections_exempt:
        values["connections_exempt"] = [_bits(one) for one in script.connections_exempt]
    context = struct_pb2.Struct()
    context.update(values)
    return lua_pb2.LuaPerRoute(filter_context=context)


def _bits(text: str) -> str:
    """Return a range of addresses as the script compares it: the version, and the bits that all addresses have."""
    network = ipaddress.ip_network(text)
    return f"{network.version}{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen + 1]


@functools.cache
def _filter() -> Any:
    text = resources.files("podwire.edge.envoy").joinpath(FILE).read_text()
    return packed(lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=text)))

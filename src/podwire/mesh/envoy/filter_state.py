"""What is known of a connection when it is accepted, for the filters and connections that follow.

Sources: envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.proto; Envoy's "Well known filter state
objects".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envoy.config.core.v3 import substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2

from podwire.edge.envoy.message import packed

SOURCE_IDENTITY = "podwire.source_identity"
"""SPIFFE id of the client; empty where it has none."""
SOURCE_ADDRESS = "podwire.source_address"
"""Address of a client that is a pod of the mesh; of others there is none, as their number has no bound."""
DESTINATION = "envoy.network.transport_socket.original_dst_address"
"""Where a cluster without endpoints connects to."""
SERVER_NAMES = "envoy.network.upstream_subject_alt_names"
"""Names of which the server's certificate must have one."""
LOCAL_ADDRESS = "envoy.filters.listener.original_dst.local_ip"
REMOTE_ADDRESS = "envoy.filters.listener.original_dst.remote_ip"
"""Addresses of a connection that is passed to a listener inside Envoy."""
TO_POD = "podwire.to_pod"
"""The cluster by which a connection inside Envoy goes on to its pod, where that is another than usual."""
PROXIED_TO = "envoy.tcp_proxy.cluster"
"""The cluster that a TCP proxy connects to, instead of its own."""

CLIENT, SERVER = "%DOWNSTREAM_REMOTE_ADDRESS%", "%DOWNSTREAM_LOCAL_ADDRESS%"
CLIENT_HOST = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
PEER_IDENTITY = "%DOWNSTREAM_PEER_URI_SAN%"

_OWN_FACTORY = frozenset({DESTINATION, SERVER_NAMES, LOCAL_ADDRESS, REMOTE_ADDRESS, PROXIED_TO})
"""States whose name is that of their factory, too. The others are text that counts in the key of connection pools: else
a connection could get that of another client."""
_HANDSHAKE_TAG, _CONNECTION_TAG = b"\x12", b"\x0a"
_VALUE = value_pb2.FilterStateValue


def on_connection(values: Mapping[str, str]) -> Any:
    """Return the filter that sets these states (name: format) when a connection is accepted."""
    return _filter(_config(values))


def on_handshake(values: Mapping[str, str], at_once: Mapping[str, str]) -> Any:
    """Return the filter that sets `values` when the client's certificate is verified, and `at_once` before.

    The field `on_downstream_tls_handshake` (2, of the same type as `on_new_connection`, 1) is unknown to xds-protos.
    """
    made = _config(at_once)
    for one in _config(values).on_new_connection:
        single = set_filter_state_pb2.Config(on_new_connection=[one]).SerializeToString(deterministic=True)
        assert single[:1] == _CONNECTION_TAG, "the tag of field 1"
        made.MergeFromString(_HANDSHAKE_TAG + single[1:])
    return _filter(made)


def _config(values: Mapping[str, str]) -> Any:
    return set_filter_state_pb2.Config(on_new_connection=[_value(name, text) for name, text in values.items()])


def _value(name: str, text: str) -> Any:
    form = substitution_format_string_pb2.SubstitutionFormatString(
        text_format_source={"inline_string": text}, omit_empty_values=True
    )
    return _VALUE(
        object_key=name,
        factory_key=name if name in _OWN_FACTORY else "envoy.hashable_string",
        format_string=form,
        skip_if_empty=name == PROXIED_TO,
        shared_with_upstream=_VALUE.NONE if name == PROXIED_TO else _VALUE.TRANSITIVE,
    )


def _filter(config: Any) -> Any:
    name = "envoy.filters.network.set_filter_state"
    return listener_components_pb2.Filter(name=name, typed_config=packed(config))

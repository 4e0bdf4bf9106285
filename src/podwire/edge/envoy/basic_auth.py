"""Users with passwords (RFC 7617): off in a listener, on in the routes that have some."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.basic_auth.v3 import basic_auth_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy.message import packed
from podwire.edge.model.filters import BasicAuth

FILTER = "envoy.filters.http.basic_auth"
_NOBODY = "nobody:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""The filter must have a user: none has a password with this digest."""


def listener_filter() -> Any:
    """Return the filter of a listener, disabled."""
    message = basic_auth_pb2.BasicAuth(users=base_pb2.DataSource(inline_string=_NOBODY))
    return http_connection_manager_pb2.HttpFilter(name=FILTER, typed_config=packed(message), disabled=True)


def per_route(auth: BasicAuth) -> Any:
    """Return the filter's configuration for a route: a request without a user of these is answered by 401."""
    users = "\n".join(auth.users or (_NOBODY,))
    return basic_auth_pb2.BasicAuthPerRoute(users=base_pb2.DataSource(inline_string=users))

"""Further tries of a request whose connection ended without a response.

Connections to endpoints begin inside Envoy, where they are always open at once: that an endpoint is gone is known by
the end of the connection, after the request was written to it. Whether a backend has seen the request is then unknown,
so only methods that are idempotent are tried again (RFC 9110, 9.2.2). Source: Envoy's "Router", x-envoy-retry-on.
"""

from __future__ import annotations

from typing import Any

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy.message import packed
from podwire.mesh.envoy import opened

HEADER = "x-envoy-retry-on"
"""Adds a condition to the policy of the cluster or the route. Envoy removes that of clients, and then this one."""
ENDED = "reset"
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


def listener_filter() -> Any:
    """Return the filter that adds the condition to requests of these methods, and keeps Envoy's own answers inside."""
    methods = ", ".join(f"'{one}'" for one in IDEMPOTENT)
    header = base_pb2.HeaderValue(key=HEADER, value=f"%CEL(request.method in [{methods}] ? '{ENDED}' : '')%")
    option = base_pb2.HeaderValueOption(
        header=header, append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    )
    change = header_mutation_pb2.Mutations(
        request_mutations=[mutation_rules_pb2.HeaderMutation(append=option)],
        response_mutations=[mutation_rules_pb2.HeaderMutation(remove=opened.NOT_SENT)],
    )
    typed = packed(header_mutation_pb2.HeaderMutation(mutations=change))
    return http_connection_manager_pb2.HttpFilter(name="envoy.filters.http.header_mutation", typed_config=typed)


def keep_limits(host: route_components_pb2.VirtualHost) -> None:
    """Take the condition from the routes that limit one try: a try over its limit is a reset, too, and is answered."""
    for one in host.routes:
        if one.HasField("route") and one.route.retry_policy.HasField("per_try_timeout"):
            one.request_headers_to_remove.append(HEADER)

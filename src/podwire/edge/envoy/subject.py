"""Which subjects of clients' certificates a route is for: off in a listener, on in the routes that have an expression.

The script before it has written the subject into a header, and removed a client's own.
"""

from __future__ import annotations

from typing import Any

from envoy.config.rbac.v3 import rbac_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from podwire.edge.envoy.message import packed

FILTER = "podwire.subject"
HEADER = "ssl-client-subject-dn"


def listener_filter() -> Any:
    """Return the filter of a listener, disabled."""
    return http_connection_manager_pb2.HttpFilter(name=FILTER, typed_config=packed(filter_pb2.RBAC()), disabled=True)


def per_route(expression: str) -> Any:
    """Return the filter's configuration for a route: requests of other subjects are answered by 403."""
    matcher = string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=expression))
    header = route_components_pb2.HeaderMatcher(name=HEADER, string_match=matcher)
    policy = rbac_pb2.Policy(
        permissions=[rbac_pb2.Permission(any=True)], principals=[rbac_pb2.Principal(header=header)]
    )
    rules = rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW, policies={"subjects": policy})
    return filter_pb2.RBACPerRoute(rbac=filter_pb2.RBAC(rules=rules))

"""Rules about requests as filters of HTTP connections: tokens are verified, then DENY, then ALLOW; AUDIT is noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from envoy.config.core.v3 import protocol_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.type.matcher.v3 import path_pb2, regex_pb2, string_pb2

from podwire.edge.envoy.message import packed
from podwire.mesh.authorization.decision import AMBIGUOUS_PATH, concerns, reads_paths
from podwire.mesh.authorization.model import Action, Policy, of_action
from podwire.mesh.authorization.pattern import Mode
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.envoy import request_rules, tokens

AUDIT_PREFIX = "audit_"
"""Before the names in a request's dynamic metadata: `audit_shadow_effective_policy_id` is the rule that matched."""
METADATA = "envoy.filters.http.rbac"
_MANAGER = http_connection_manager_pb2.HttpConnectionManager
_AMBIGUOUS = "ambiguous-path"


def request_filters(policies: Iterable[Policy], token_policies: Iterable[TokenPolicy], port: int) -> list[Any]:
    """Return the filters for requests to a port of a workload; none of its policies may be left out.

    The identity of the client is the connection's filter state. Requests must be normalised by `normalise`.
    """
    policies = tuple(policies)
    found = list(tokens.token_filters(token_policies))
    deny = dict(_rules(of_action(policies, Action.DENY), port, Mode.POSSIBLE))
    if reads_paths(policies, port):
        deny[_AMBIGUOUS] = _ambiguous_path()
    if audit := dict(_rules(of_action(policies, Action.AUDIT), port, Mode.POSSIBLE)):
        shadow = rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW, policies=audit)
        found.append(_filter("audit", filter_pb2.RBAC(shadow_rules=shadow, shadow_rules_stat_prefix=AUDIT_PREFIX)))
    if deny:
        found.append(_filter("deny", filter_pb2.RBAC(rules=rbac_pb2.RBAC(action=rbac_pb2.RBAC.DENY, policies=deny))))
    if allowing := of_action(policies, Action.ALLOW):
        allow = dict(_rules(allowing, port, Mode.CERTAIN))
        found.append(_filter("allow", filter_pb2.RBAC(rules=rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW, policies=allow))))
    return found


def normalise(manager: Any) -> None:
    """Have an HTTP connection manager read a request as its workload will, or not at all.

    Paths are without dot segments, repeated slashes and needless escapes; one with escaped slashes is a redirect to the
    path with slashes; header names with underscores are refused, as servers read them as hyphens.
    """
    manager.normalize_path.value = True
    manager.merge_slashes = True
    manager.path_with_escaped_slashes_action = _MANAGER.UNESCAPE_AND_REDIRECT
    manager.common_http_protocol_options.headers_with_underscores_action = (
        protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    )


def _rules(policies: Iterable[Policy], port: int, mode: Mode) -> Iterator[tuple[str, Any]]:
    for policy in policies:
        for name, rule in policy.named_rules():
            if concerns(rule, port):
                yield name, request_rules.policy(rule, port, mode)


def _ambiguous_path() -> Any:
    expression = regex_pb2.RegexMatcher(regex=AMBIGUOUS_PATH.pattern)
    path = path_pb2.PathMatcher(path=string_pb2.StringMatcher(safe_regex=expression))
    return rbac_pb2.Policy(permissions=[rbac_pb2.Permission(url_path=path)], principals=[rbac_pb2.Principal(any=True)])


def _filter(name: str, message: Any) -> Any:
    return http_connection_manager_pb2.HttpFilter(name=f"podwire.authorization.{name}", typed_config=packed(message))

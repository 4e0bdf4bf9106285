"""What a route of Envoy does: forwards by weight, answers, redirects."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.type.v3 import percent_pb2

from podwire.edge.envoy import hash_keys, headers, path_rewrite, retries
from podwire.edge.envoy.message import INVALID_CLUSTER, duration
from podwire.edge.model.backends import WeightedBackend
from podwire.edge.model.filters import HeaderChanges, Mirror, Redirect, Rewrite
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import Answer, Forward

_ACTION = route_components_pb2.RouteAction
_REDIRECT = route_components_pb2.RedirectAction
_STATUS = {
    301: _REDIRECT.MOVED_PERMANENTLY,
    302: _REDIRECT.FOUND,
    303: _REDIRECT.SEE_OTHER,
    307: _REDIRECT.TEMPORARY_REDIRECT,
    308: _REDIRECT.PERMANENT_REDIRECT,
}
_USUAL_PORTS = {"http": (80,), "https": (443,), "": (80, 443)}
_MILLION = 1_000_000


def forward(action: Forward, match: Match, changes: HeaderChanges) -> dict[str, Any]:
    """Return the arguments of a route that forwards; `changes` are those of the request's headers.

    A share without cluster is answered by 500, of gRPC by 503, which Envoy makes UNAVAILABLE.
    """
    shares = [one for one in action.backends if one.weight > 0]
    if not any(one.cluster for one in shares):
        return answer(Answer(503 if match.is_grpc else 500))
    made = _ACTION(
        timeout=duration(action.timeouts.request),
        request_mirror_policies=[_mirror(one) for one in action.mirrors if one.cluster],
        cluster_not_found_response_code=_ACTION.SERVICE_UNAVAILABLE if match.is_grpc else _ACTION.INTERNAL_SERVER_ERROR,
        **_clusters(shares),
        **_rewrite(action.rewrite, match, headers.host(changes)),
    )
    if action.timeouts.idle:
        made.idle_timeout.CopyFrom(duration(action.timeouts.idle))
    if policy := retries.of_route(action.retry, action.timeouts):
        made.retry_policy.CopyFrom(policy)
    made.hash_policy.extend(hash_keys.policies(action.hash_keys))
    if not action.is_websocket:
        made.upgrade_configs.append(_ACTION.UpgradeConfig(upgrade_type="websocket", enabled={"value": False}))
    return {"route": made}


def answer(action: Answer) -> dict[str, Any]:
    """Return the arguments of a route that is answered by Envoy."""
    made = route_components_pb2.DirectResponseAction(status=action.status)
    if action.body:
        made.body.CopyFrom(base_pb2.DataSource(inline_string=action.body))
    return {"direct_response": made}


def redirect(action: Redirect, match: Match) -> dict[str, Any]:
    """Return the arguments of a route that redirects. A scheme's own port is left out of the Location."""
    given: dict[str, Any] = {"response_code": _STATUS[action.status]}
    if action.scheme:
        given["scheme_redirect"] = action.scheme
    if action.hostname:
        given["host_redirect"] = action.hostname
    if action.port and action.port not in _USUAL_PORTS.get(action.scheme, ()):
        given["port_redirect"] = action.port
    if action.full_path is not None:
        given["path_redirect"] = action.full_path
    elif action.prefix is not None:
        given |= path_rewrite.prefix(match.path, action.prefix)
    elif action.substitution is not None:
        given["regex_rewrite"] = path_rewrite.substituted(action.substitution)
    if not action.keeps_query:
        given["strip_query"] = True
    return {"redirect": _REDIRECT(**given)}


def _clusters(shares: list[WeightedBackend]) -> dict[str, Any]:
    """One backend that changes nothing is a plain cluster, which costs Envoy less."""
    (first, *rest) = shares
    if not rest and not _has_changes(first):
        return {"cluster": first.cluster}
    weighted = route_components_pb2.WeightedCluster(clusters=[_share(one) for one in shares])
    return {"weighted_clusters": weighted}


def _has_changes(share: WeightedBackend) -> bool:
    return share.request_headers != HeaderChanges() or share.response_headers != HeaderChanges()


def _share(share: WeightedBackend) -> Any:
    made = route_components_pb2.WeightedCluster.ClusterWeight(
        name=share.cluster or INVALID_CLUSTER,
        **headers.request(share.request_headers),
        **headers.response(share.response_headers),
    )
    made.weight.value = share.weight
    hostname = headers.host(share.request_headers) or (share.rewrite.hostname if share.rewrite else "")
    if hostname:
        made.host_rewrite_literal = hostname
    return made


def _rewrite(rewrite: Rewrite | None, match: Match, host: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    hostname = (rewrite.hostname if rewrite else "") or host
    if hostname:
        given["host_rewrite_literal"] = hostname
    if rewrite and rewrite.full_path is not None:
        given["regex_rewrite"] = path_rewrite.whole(rewrite.full_path)
    elif rewrite and rewrite.prefix is not None:
        given |= path_rewrite.prefix(match.path, rewrite.prefix)
    elif rewrite and rewrite.substitution is not None:
        given["regex_rewrite"] = path_rewrite.substituted(rewrite.substitution)
    return given


def _mirror(mirror: Mirror) -> Any:
    made = _ACTION.RequestMirrorPolicy(
        cluster=mirror.cluster, disable_shadow_host_suffix_append=True, host_rewrite_literal=mirror.hostname
    )
    share = min(_MILLION, mirror.numerator * _MILLION // mirror.denominator)
    made.runtime_fraction.default_value.CopyFrom(
        percent_pb2.FractionalPercent(numerator=share, denominator=percent_pb2.FractionalPercent.MILLION)
    )
    return made

"""Connections and datagrams that are passed on as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.filters.udp.udp_proxy.v3 import route_pb2, udp_proxy_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.matching.input_matchers.runtime_fraction.v3 import runtime_fraction_pb2
from envoy.type.v3 import percent_pb2
from xds.type.matcher.v3 import matcher_pb2

from podwire.edge.envoy.message import INVALID_CLUSTER, duration, packed
from podwire.edge.model.backends import WeightedBackend
from podwire.edge.model.routes import StreamRoute

UDP_SESSION_SECONDS = 60.0
_MILLION = 1_000_000


def tcp_filter(route: StreamRoute | None, idle_seconds: float, access_log: Sequence[Any]) -> Any:
    """Return the filter for connections. One to a share without cluster is closed."""
    made = tcp_proxy_pb2.TcpProxy(stat_prefix="tcp", idle_timeout=duration(idle_seconds), access_log=access_log)
    shares = shares_of(route)
    if len(shares) == 1:
        made.cluster = shares[0].cluster or INVALID_CLUSTER
    else:
        weighted = tcp_proxy_pb2.TcpProxy.WeightedCluster
        made.weighted_clusters.CopyFrom(
            weighted(
                clusters=[
                    weighted.ClusterWeight(name=one.cluster or INVALID_CLUSTER, weight=one.weight) for one in shares
                ]
            )
        )
    return listener_components_pb2.Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(made))


def udp_filter(route: StreamRoute | None) -> Any:
    """Return the listener filter for datagrams: a client's port is one session, and has one backend.

    Envoy has no weights here, so a digest of the client's port decides, one backend after the other.
    """
    *firsts, last = shares_of(route)
    matcher = matcher_pb2.Matcher(on_no_match=_udp_action(last))
    for number, (share, fraction) in enumerate(_fractions(firsts, last)):
        predicate = matcher_pb2.Matcher.MatcherList.Predicate(single_predicate=_by_port(number, fraction))
        matcher.matcher_list.matchers.append(
            matcher_pb2.Matcher.MatcherList.FieldMatcher(predicate=predicate, on_match=_udp_action(share))
        )
    made = udp_proxy_pb2.UdpProxyConfig(stat_prefix="udp", matcher=matcher, idle_timeout=duration(UDP_SESSION_SECONDS))
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.udp_listener.udp_proxy", typed_config=packed(made)
    )


def shares_of(route: StreamRoute | None) -> list[WeightedBackend]:
    """Return the backends with a weight; where there is none, one without cluster."""
    shares = [one for one in route.backends if one.weight > 0] if route else []
    return shares or [WeightedBackend("")]


def _fractions(firsts: Sequence[WeightedBackend], last: WeightedBackend) -> Iterator[tuple[WeightedBackend, int]]:
    """Each backend with its part, in millions, of what those before it leave."""
    left = sum(one.weight for one in firsts) + last.weight
    for one in firsts:
        yield one, one.weight * _MILLION // left
        left -= one.weight


def _by_port(seed: int, fraction: int) -> Any:
    chance = runtime_fraction_pb2.RuntimeFraction(seed=seed)
    chance.runtime_fraction.default_value.CopyFrom(
        percent_pb2.FractionalPercent(numerator=fraction, denominator=percent_pb2.FractionalPercent.MILLION)
    )
    return matcher_pb2.Matcher.MatcherList.Predicate.SinglePredicate(
        input=_xds("envoy.matching.inputs.source_port", network_inputs_pb2.SourcePortInput()),
        custom_match=_xds("envoy.matching.matchers.runtime_fraction", chance),
    )


def _udp_action(share: WeightedBackend) -> Any:
    route = route_pb2.Route(cluster=share.cluster or INVALID_CLUSTER)
    return matcher_pb2.Matcher.OnMatch(action=_xds("route", route))


def _xds(name: str, message: Any) -> Any:
    from xds.core.v3 import extension_pb2

    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message))

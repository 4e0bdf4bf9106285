"""Limits of requests by client address: off in a listener, on in the routes that have one. Counted by each Envoy."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.v3 import http_status_pb2, percent_pb2, token_bucket_pb2
from google.protobuf import wrappers_pb2

from podwire.edge.envoy.message import duration
from podwire.edge.model.filters import RateLimit

FILTER = "envoy.filters.http.local_ratelimit"
CLIENTS = 10_000
"""Clients of a route that are counted at the same time; of further ones the least recent is forgotten."""
_UNLIMITED = 1_000_000_000
_ALWAYS = percent_pb2.FractionalPercent(numerator=100, denominator=percent_pb2.FractionalPercent.HUNDRED)


def listener_filter() -> Any:
    """Return the filter's configuration in a listener: nothing is limited."""
    return local_rate_limit_pb2.LocalRateLimit(stat_prefix="rate_limit")


def per_route(limit: RateLimit) -> Any:
    """Return the filter's configuration for a route."""
    return local_rate_limit_pb2.LocalRateLimit(
        stat_prefix="rate_limit",
        status=http_status_pb2.HttpStatus(code=limit.status),
        token_bucket=_bucket(_UNLIMITED, _UNLIMITED, 1.0),
        filter_enabled=_fraction(),
        filter_enforced=_fraction(),
        rate_limits=[route_components_pb2.RateLimit(actions=[_by_client()])],
        descriptors=[
            ratelimit_pb2.LocalRateLimitDescriptor(
                entries=[ratelimit_pb2.RateLimitDescriptor.Entry(key="remote_address")],
                token_bucket=_bucket(limit.burst, limit.requests, limit.seconds),
            )
        ],
        max_dynamic_descriptors=wrappers_pb2.UInt32Value(value=CLIENTS),
        always_consume_default_token_bucket=wrappers_pb2.BoolValue(value=False),
    )


def _by_client() -> Any:
    action = route_components_pb2.RateLimit.Action
    return action(remote_address=action.RemoteAddress())


def _bucket(most: int, fill: int, seconds: float) -> Any:
    return token_bucket_pb2.TokenBucket(
        max_tokens=most, tokens_per_fill=wrappers_pb2.UInt32Value(value=fill), fill_interval=duration(seconds)
    )


def _fraction() -> Any:
    return base_pb2.RuntimeFractionalPercent(default_value=_ALWAYS)

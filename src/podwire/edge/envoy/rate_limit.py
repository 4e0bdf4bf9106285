"""Limits of requests: off in a listener, on in the routes and hosts that have one. Counted by each Envoy."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.v3 import http_status_pb2, percent_pb2, token_bucket_pb2
from google.protobuf import wrappers_pb2

from podwire.edge.envoy import client_ranges
from podwire.edge.envoy.message import duration
from podwire.edge.model.filters import Rate, RateLimit

FILTER = "envoy.filters.http.local_ratelimit"
CLIENTS = 10_000
"""Clients of a route that are counted at the same time; a further one replaces the least recent."""
_ACTION = route_components_pb2.RateLimit.Action
_LIMITED = "limited"
_INVERTED = b"\x10\x01"
"""Field 2 of AddressMatcher, invert_match."""
_UNLIMITED = 1_000_000_000
_ALWAYS = percent_pb2.FractionalPercent(numerator=100, denominator=percent_pb2.FractionalPercent.HUNDRED)


def listener_filter() -> Any:
    """Return the filter's configuration in a listener: nothing is limited."""
    return local_rate_limit_pb2.LocalRateLimit(stat_prefix="rate_limit")


def per_route(limit: RateLimit) -> Any:
    """Return the filter's configuration for a route or a virtual host."""
    return local_rate_limit_pb2.LocalRateLimit(
        stat_prefix="rate_limit",
        status=http_status_pb2.HttpStatus(code=limit.status),
        token_bucket=_bucket(_UNLIMITED, _UNLIMITED, 1.0),
        filter_enabled=_fraction(),
        filter_enforced=_fraction(),
        rate_limits=[_actions(index, limit) for index in range(len(limit.rates))],
        descriptors=[_descriptor(index, rate, limit) for index, rate in enumerate(limit.rates)],
        max_dynamic_descriptors=wrappers_pb2.UInt32Value(value=CLIENTS),
        always_consume_default_token_bucket=wrappers_pb2.BoolValue(value=False),
    )


def _actions(index: int, limit: RateLimit) -> Any:
    """A client of an exempt range has no descriptor, so no bucket."""
    number = _ACTION(generic_key=_ACTION.GenericKey(descriptor_value=str(index)))
    client = [_ACTION(remote_address=_ACTION.RemoteAddress())] if limit.by_client else []
    outside = [_outside(limit.exempt)] if limit.exempt else []
    return route_components_pb2.RateLimit(actions=[number, *client, *outside])


def _descriptor(index: int, rate: Rate, limit: RateLimit) -> Any:
    entry = ratelimit_pb2.RateLimitDescriptor.Entry
    entries = [entry(key="generic_key", value=str(index))]
    if limit.by_client:
        entries.append(entry(key="remote_address"))
    if limit.exempt:
        entries.append(entry(key=_LIMITED, value=_LIMITED))
    bucket = _bucket(rate.burst, rate.requests, rate.seconds)
    return ratelimit_pb2.LocalRateLimitDescriptor(entries=entries, token_bucket=bucket)


def _outside(ranges: tuple[str, ...]) -> Any:
    """Return the action for clients outside of all ranges: RemoteAddressMatch (1.38), which xds-protos has not yet."""
    found = [client_ranges.cidr_range(one).SerializeToString() for one in ranges]
    matcher = b"".join(_field(1, one) for one in found) + _INVERTED
    name = _LIMITED.encode()
    return _ACTION.FromString(_field(13, _field(1, name) + _field(2, name) + _field(4, matcher)))


def _field(number: int, value: bytes) -> bytes:
    """Return a field of a message (Protocol Buffers, wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    found = []
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def _bucket(most: int, fill: int, seconds: float) -> Any:
    return token_bucket_pb2.TokenBucket(
        max_tokens=most, tokens_per_fill=wrappers_pb2.UInt32Value(value=fill), fill_interval=duration(seconds)
    )


def _fraction() -> Any:
    return base_pb2.RuntimeFractionalPercent(default_value=_ALWAYS)

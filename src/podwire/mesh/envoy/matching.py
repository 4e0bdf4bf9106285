"""Which filter chain takes a connection, by addresses. Sources: xds/type/matcher/v3/matcher.proto, ip.proto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from google.protobuf import wrappers_pb2
from xds.core.v3 import cidr_pb2, extension_pb2
from xds.type.matcher.v3 import ip_pb2, matcher_pb2

from podwire.edge.envoy.message import packed

REFUSED = "refused"
"""The chain of connections that are logged and closed; where a listener has none of this name they are closed."""


def chain(name: str) -> Any:
    """Return the choice of a chain. One that a listener does not have closes the connection."""
    value = wrappers_pb2.StringValue(value=name)
    return matcher_pb2.Matcher.OnMatch(action=_extension("chain", value))


def by_destination(choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the address that the client has connected to."""
    return _by_value(network_inputs_pb2.DestinationIPInput(), choices, otherwise)


def by_destinations(choices: Iterable[tuple[Iterable[str], Any]], otherwise: Any) -> Any:
    """Return a matcher of the same address, by choices that many addresses share: each is in the matcher once."""
    ranges = [
        ip_pb2.IPMatcher.IPRangeMatcher(ranges=map(_range, addresses), on_match=choice) for addresses, choice in choices
    ]
    made = matcher_pb2.Matcher(on_no_match=otherwise)
    if ranges:
        tree = matcher_pb2.Matcher.MatcherTree
        addresses = ip_pb2.IPMatcher(range_matchers=ranges)
        destination = _extension("input", network_inputs_pb2.DestinationIPInput())
        made.matcher_tree.CopyFrom(tree(input=destination, custom_match=_extension("addresses", addresses)))
    return made


def by_source(choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the client's address."""
    return _by_value(network_inputs_pb2.SourceIPInput(), choices, otherwise)


def by_port(choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the port that the client has connected to."""
    return _by_value(network_inputs_pb2.DestinationPortInput(), choices, otherwise)


def by_protocol(choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the client's transport protocol, `tls` or `raw_buffer`, which a TLS inspector has found."""
    return _by_value(network_inputs_pb2.TransportProtocolInput(), choices, otherwise)


def by_application(choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the protocols that a client of TLS offers (ALPN), each in single quotes, joined by commas."""
    return _by_value(network_inputs_pb2.ApplicationProtocolInput(), choices, otherwise)


def by_state(name: str, choices: Mapping[str, Any], otherwise: Any = None) -> Any:
    """Return a matcher of the text of a filter state."""
    return _by_value(network_inputs_pb2.FilterStateInput(key=name), choices, otherwise)


def nested(matcher: Any) -> Any:
    """Return the choice of another matcher, which refuses the rest: Envoy would go on with the outer one's rest."""
    made = matcher_pb2.Matcher.OnMatch(matcher=matcher)
    if not made.matcher.HasField("on_no_match"):
        made.matcher.on_no_match.CopyFrom(chain(REFUSED))
    return made


def _by_value(message: Any, choices: Mapping[str, Any], otherwise: Any) -> Any:
    made = matcher_pb2.Matcher(on_no_match=otherwise)
    if choices:
        tree = matcher_pb2.Matcher.MatcherTree
        made.matcher_tree.CopyFrom(
            tree(input=_extension("input", message), exact_match_map=tree.MatchMap(map=dict(choices)))
        )
    return made


def _range(address: str) -> Any:
    return cidr_pb2.CidrRange(address_prefix=address, prefix_len={"value": ip_address(address).max_prefixlen})


def _extension(name: str, message: Any) -> Any:
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message))

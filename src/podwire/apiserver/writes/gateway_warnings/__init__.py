"""Warnings of Gateway API's kinds: references to what is not there, or what does not fit.

Objects may come in any order, so nothing is refused: the controller's status has the same facts later. Source of the
rules: gateway-api.sigs.k8s.io v1.6.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.writes.gateway_warnings import backends, gateways, parents, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.writes.gateway_warnings.existing import Existing

Object = dict[str, Any]

MOST = 8
"""Warnings of one write: each is a header of the answer."""


def of_write(obj: Object, old: Object | None, existing: Existing) -> tuple[str, ...]:
    """The warnings of a new object, or of one whose spec is another one than in `old`."""
    if old is not None and old.get("spec") == obj.get("spec"):
        return ()
    return tuple(dict.fromkeys(islice(_found(Field("", obj), existing), MOST)))


def _found(obj: Field, existing: Existing) -> Iterator[str]:
    match obj["kind"].text:
        case "Gateway":
            yield from gateways.of_gateway(obj, existing)
        case "ListenerSet":
            yield from gateways.of_listener_set(obj, existing)
        case "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute":
            yield from parents.of_route(obj, existing)
            yield from backends.of_route(obj, existing)
            yield from rules.of_route(obj)
        case "BackendTLSPolicy":
            yield from backends.of_policy(obj, existing)
        case _:
            return

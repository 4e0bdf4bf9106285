"""Endpoints of the client's own node or zone before all others. Pure."""

from __future__ import annotations

import msgspec

from podwire.edge.model.backends import Endpoint, Endpoints


class Place(msgspec.Struct, frozen=True):
    """Where clients are: their node, and its zone; empty where unknown."""

    node: str = ""
    zone: str = ""


def preferring(endpoints: Endpoints, prefer: str, place: Place) -> Endpoints:
    """Return the endpoints with those of the preferred place first: `Node`, then its zone; or `Zone`; empty: all alike.

    The others get requests where none of these is there, or too few are healthy.
    """
    if not prefer:
        return endpoints
    ranked = tuple(msgspec.structs.replace(one, priority=_rank(one, prefer, place)) for one in endpoints.endpoints)
    return msgspec.structs.replace(endpoints, endpoints=ranked)


def _rank(endpoint: Endpoint, prefer: str, place: Place) -> int:
    if prefer == "Node" and place.node and endpoint.node == place.node:
        return 0
    return 1 if place.zone and endpoint.zone == place.zone else 2

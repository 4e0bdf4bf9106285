"""Discovery documents, aggregated (v2) and plain. All are plain values; the caller encodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.resources import Registry

Object = dict[str, Any]

AGGREGATED_CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Whether the first acceptable entry of an Accept header asks for aggregated discovery v2."""
    return "as=APIGroupDiscoveryList" in accept

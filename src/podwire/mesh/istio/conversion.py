"""An object of Istio as objects of this mesh and of the Gateway API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podwire.mesh.istio import (
    authorization_policies,
    destination_rules,
    peer_authentications,
    request_authentications,
    virtual_services,
)
from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.table import KINDS
from podwire.mesh.istio.written import ConversionError, Converted

_BY_KIND: Mapping[str, Callable[[Mapping[str, Any], Surroundings], Converted]] = {
    "AuthorizationPolicy": authorization_policies.converted,
    "PeerAuthentication": lambda source, _: peer_authentications.converted(source),
    "RequestAuthentication": request_authentications.converted,
    "DestinationRule": destination_rules.converted,
    "VirtualService": virtual_services.converted,
}
ALONE = Surroundings()
CLOSES = frozenset({"AuthorizationPolicy", "PeerAuthentication"})
"""Kinds of which an object that cannot be read becomes one that denies everything."""


def is_read(group: str, kind: str) -> bool:
    """Whether a kind is one of Istio's that are converted."""
    return KINDS.get(kind) == group


def converted(kind: str, value: Mapping[str, Any], around: Surroundings = ALONE) -> Converted:
    """Return what an object becomes. One whose form is not that of its kind is reported, and opens nothing."""
    try:
        return _BY_KIND[kind](value, around)
    except ConversionError as error:
        reason = str(error)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        reason = f"it does not have the form of its kind {kind} ({error}): correct it"
    if kind in CLOSES:
        return authorization_policies.closed(value, "spec", reason)
    return Converted((), (("spec", reason),))

"""An object of Istio as objects of this mesh and of the Gateway API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podwire.mesh.istio import authorization_policies, destination_rules, request_authentications, virtual_services
from podwire.mesh.istio.table import KINDS
from podwire.mesh.istio.written import ConversionError, Converted

_BY_KIND: Mapping[str, Callable[[Mapping[str, Any]], Converted]] = {
    "AuthorizationPolicy": authorization_policies.converted,
    "PeerAuthentication": authorization_policies.strict,
    "RequestAuthentication": request_authentications.converted,
    "DestinationRule": destination_rules.converted,
    "VirtualService": virtual_services.converted,
}


def is_read(group: str, kind: str) -> bool:
    """Whether a kind is one of Istio's that are converted."""
    return KINDS.get(kind) == group


def converted(kind: str, value: Mapping[str, Any]) -> Converted:
    """Return what an object becomes. One whose form is not that of its kind becomes nothing, and says so."""
    try:
        return _BY_KIND[kind](value)
    except ConversionError as error:
        return Converted((), (("spec", str(error)),))
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        return Converted((), (("spec", f"it does not have the form of a {kind}: {error}"),))

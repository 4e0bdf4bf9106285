"""The status of an XMesh: whether it is this one, and what of the Gateway API works in it. Pure.

Source: gateway-api v1.6.3 `apisx/v1alpha1/xmesh_types.go`; names of `pkg/features/mesh.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.mesh.kinds.mesh import Mesh

FEATURES = (
    "Mesh",
    "MeshClusterIPMatching",
    "MeshConsumerRoute",
    "MeshHTTPRouteBackendRequestHeaderModification",
    "MeshHTTPRouteNamedRouteRule",
    "MeshHTTPRouteQueryParamMatching",
    "MeshHTTPRouteRedirectPath",
    "MeshHTTPRouteRedirectPort",
    "MeshHTTPRouteRewritePath",
    "MeshHTTPRouteSchemeRedirect",
)
"""By name."""


def mesh_status(item: Mesh, now: datetime) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a mesh of this controller; empty for no change."""
    accepted = condition("Accepted", True, "Accepted")
    if item.spec.parameters_ref is not None:
        message = "spec.parametersRef: this mesh has no parameters: remove it"
        accepted = condition("Accepted", False, "InvalidParameters", message)
    conditions = merged(item.status.conditions, [accepted], item.metadata.generation, now, ("Accepted",))
    return changed(item.status, {"conditions": conditions, "supportedFeatures": [{"name": one} for one in FEATURES]})

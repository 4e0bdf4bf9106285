"""XMesh of the Gateway API: the mesh of a cluster. Source: gateway-api v1.6.3 `apisx/v1alpha1/xmesh_types.go`."""

from __future__ import annotations

from podwire.edge.gateway.kinds.gateway_class import SupportedFeature
from podwire.edge.gateway.kinds.references import ParametersReference
from podwire.kube.gateway_api import EXPERIMENTAL_GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct


class MeshSpec(Struct, frozen=True):
    """Which controller carries it, and its parameters."""

    controller_name: str = ""
    parameters_ref: ParametersReference | None = None


class MeshStatus(Struct, frozen=True):
    """What the controller wrote."""

    conditions: tuple[Condition, ...] = ()
    supported_features: tuple[SupportedFeature, ...] = ()


class Mesh(Object, frozen=True):
    """A mesh."""

    spec: MeshSpec = MeshSpec()
    status: MeshStatus = MeshStatus()


MESHES = Kind(f"{EXPERIMENTAL_GROUP}/v1alpha1", "XMesh", "xmeshes", Mesh, namespaced=False)

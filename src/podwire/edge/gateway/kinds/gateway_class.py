"""GatewayClass. Source: gateway-api v1.6.3 `apis/v1/gatewayclass_types.go`."""

from __future__ import annotations

from podwire.edge.gateway.kinds.references import ParametersReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct


class GatewayClassSpec(Struct, frozen=True):
    """Which controller acts on the Gateways of this class, and its parameters."""

    controller_name: str = ""
    parameters_ref: ParametersReference | None = None
    description: str = ""


class SupportedFeature(Struct, frozen=True):
    """One feature that works."""

    name: str = ""


class GatewayClassStatus(Struct, frozen=True):
    """What the controller wrote."""

    conditions: tuple[Condition, ...] = ()
    supported_features: tuple[SupportedFeature, ...] = ()


class GatewayClass(Object, frozen=True):
    """A class of Gateways."""

    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


GATEWAY_CLASSES = Kind(f"{GROUP}/v1", "GatewayClass", "gatewayclasses", GatewayClass, namespaced=False)

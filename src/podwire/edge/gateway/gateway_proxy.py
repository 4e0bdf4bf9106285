"""Which proxy serves a Gateway, and with which parameters: of its class, or of its own by `parametersRef`. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` GatewayInfrastructure and `gatewayclass_types.go`; of a setting that both
have, the Gateway's is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.references import CORE
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.parameters import ParameterError, Parameters, parse
from podwire.kube.meta import NamespacedName

INGRESS = "podwire-ingress"
"""The proxy of Ingresses, which no Gateway uses."""
LONGEST_NAME = 57
"""Its pods have it as a label, certificates as their common name, and Deployments with `envoy-` before it."""
LONGEST_PREFIX = 30
_NONE: Mapping[str, str] = {}


class GatewayProxy(msgspec.Struct, frozen=True):
    """The proxy of a Gateway.

    Attributes:
        name: that of the class, whose Gateways share it; a name of its own where the Gateway has a parametersRef.
        parameters: how it is to be.
        problem: the Accepted condition where the parameters are not valid: nothing of the Gateway is served then.

    """

    name: str
    parameters: Parameters = Parameters()
    problem: Problem | None = None


def gateway_proxy(gateway: Gateway, objects: Objects) -> GatewayProxy:
    """Return the proxy of a Gateway whose class exists."""
    name = proxy_name(gateway)
    found = objects.class_of(gateway)
    try:
        data = _of_class(found, objects) if found is not None else _NONE
        parse(data)
    except ParameterError as error:
        return _invalid(name, f"GatewayClass {gateway.spec.gateway_class_name}: {error}")
    try:
        return GatewayProxy(name, parse({**data, **_of_gateway(gateway, objects)}))
    except ParameterError as error:
        return _invalid(name, str(error))


def proxy_name(gateway: Gateway) -> str:
    """Return the name of a Gateway's proxy: that of its class, unless the Gateway has a proxy of its own."""
    if gateway.spec.infrastructure.parameters_ref is not None:
        return _short(gateway.metadata.name, str(gateway.key))
    name = gateway.spec.gateway_class_name
    return name if len(name) <= LONGEST_NAME and name != INGRESS else _short(name, name)


def _short(name: str, unique: str) -> str:
    digest = hashlib.blake2b(unique.encode(), digest_size=6).hexdigest()
    return f"{name[:LONGEST_PREFIX].rstrip('-.')}-{digest}"


def class_problem(item: GatewayClass, objects: Objects) -> str:
    """Return what is wrong with the parameters of a class; empty where they are in order."""
    try:
        parse(_of_class(item, objects))
    except ParameterError as error:
        return str(error)
    return ""


def _of_class(item: GatewayClass, objects: Objects) -> Mapping[str, str]:
    reference = item.spec.parameters_ref
    if reference is None:
        return _NONE
    if not reference.namespace:
        raise ParameterError("spec.parametersRef: no namespace: set that of the ConfigMap")
    key = NamespacedName(reference.namespace, reference.name)
    return _data(reference.group, reference.kind, key, "spec.parametersRef", objects)


def _of_gateway(gateway: Gateway, objects: Objects) -> Mapping[str, str]:
    reference = gateway.spec.infrastructure.parameters_ref
    if reference is None:
        return _NONE
    key = NamespacedName(gateway.metadata.namespace, reference.name)
    return _data(reference.group, reference.kind, key, "spec.infrastructure.parametersRef", objects)


def _data(group: str, kind: str, key: NamespacedName, field: str, objects: Objects) -> Mapping[str, str]:
    """Return the settings of a ConfigMap that are valid by themselves. Raises ParameterError with the field."""
    if (group, kind) != (CORE, "ConfigMap"):
        raise ParameterError(f"{field}: {group or 'core'}/{kind} is not supported: refer to a ConfigMap, group ''")
    found = objects.config_maps.get(key)
    if found is None:
        raise ParameterError(f"{field}: ConfigMap {key} does not exist: create it, or remove the reference")
    try:
        parse(found.data)
    except ParameterError as error:
        raise ParameterError(f"{field}: ConfigMap {key}: {error}") from None
    return found.data


def _invalid(name: str, message: str) -> GatewayProxy:
    return GatewayProxy(name, problem=Problem("Accepted", "False", "InvalidParameters", message))

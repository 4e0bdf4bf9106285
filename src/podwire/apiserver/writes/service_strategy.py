"""Fields of a Service that follow from others: kept, matched and cleared before it is validated.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/storage.go` patchAllocatedValues, normalizeClusterIPs;
`pkg/registry/core/service/strategy.go` dropTypeDependentFields.
"""

from __future__ import annotations

from typing import Any

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation.services import externally_accessible, needs_health_check
from podwire.apiserver.writes import node_ports

Object = dict[str, Any]

_ADDRESSES = ("clusterIP", "clusterIPs")
_OMITTED = (
    "clusterIP",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerIP",
    "publishNotReadyAddresses",
)
"""Fields of a spec that Go leaves out when they are empty or zero: omitempty without a pointer (k8s.io/api core/v1)."""

_OMITTED_OF_PORTS = ("name", "nodePort")


def before_create(spec: Object) -> None:
    """Complete the spec of a new Service."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    _drop_unset(spec)


def before_update(obj: Object, old: Object) -> None:
    """Complete a changed Service: what a client left out stays, what its new type does not use goes."""
    spec, before = obj["spec"], old["spec"]
    _keep_allocated(spec, before)
    _match_addresses(spec, before)
    _drop_unused(spec, before)
    _drop_unset(spec)
    if spec["type"] != "LoadBalancer" and obj.get("status") == old.get("status"):
        obj["status"] = {**(obj.get("status") or {}), "loadBalancer": {}}


def _keep_allocated(spec: Object, old: Object) -> None:
    """Keep addresses and node ports that a PUT leaves out."""
    if "ExternalName" not in {spec["type"], old["type"]}:
        for name in _ADDRESSES:
            if not spec.get(name) and old.get(name):
                spec[name] = old[name]
    if _gets_node_ports(spec) and _gets_node_ports(old):
        _keep_node_ports(spec, old)
    if _needs_health_check(spec) and _needs_health_check(old) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old.get("healthCheckNodePort", 0)


def _keep_node_ports(spec: Object, old: Object) -> None:
    """Give ports without a node port the one that the port of that name had, unless another port has it now."""
    used = node_ports.numbers(spec) & node_ports.numbers(old)
    held = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports", ())}
    for port in spec.get("ports", ()):
        number = held.get(port.get("name", ""), 0)
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number


def _match_addresses(spec: Object, old: Object) -> None:
    """Let clusterIPs follow clusterIP where only that was changed, as old clients do."""
    first, before = spec.get("clusterIP", ""), old.get("clusterIP", "")
    if first == before:
        if old.get("clusterIPs") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = old["clusterIPs"]
    elif spec.get("clusterIPs", []) == old.get("clusterIPs", []):
        if first:
            spec["clusterIPs"] = [first]
        else:
            spec.pop("clusterIPs", None)


def _drop_unused(spec: Object, old: Object) -> None:
    """Remove fields that the former type used and this one does not, where the client left them unchanged."""

    def drop(*names: str) -> None:
        for name in names:
            if spec.get(name) == old.get(name):
                spec.pop(name, None)

    if old["type"] != "ExternalName" and spec["type"] == "ExternalName":
        if all(spec.get(name) == old.get(name) for name in _ADDRESSES):
            drop(*_ADDRESSES)
        drop("ipFamilies", "ipFamilyPolicy")
    if old["type"] in node_ports.PORT_TYPES and spec["type"] not in node_ports.PORT_TYPES:
        _drop_node_ports(spec, old)
    if _needs_health_check(old) and not _needs_health_check(spec):
        drop("healthCheckNodePort")
    if old["type"] == "LoadBalancer" != spec["type"]:
        drop("allocateLoadBalancerNodePorts", "loadBalancerClass")
    if externally_accessible(Field("spec", old)) and not externally_accessible(Field("spec", spec)):
        drop("externalTrafficPolicy")


def _drop_node_ports(spec: Object, old: Object) -> None:
    if node_ports.numbers(spec) <= node_ports.numbers(old):
        for port in spec.get("ports", ()):
            port.pop("nodePort", None)


def _drop_unset(spec: Object) -> None:
    """Remove fields that Go leaves out when they are empty or zero.

    An ExternalName Service has no internal traffic policy; a wrong one is left to validation.
    """
    for part, names in ((spec, _OMITTED), *((port, _OMITTED_OF_PORTS) for port in spec.get("ports", ()))):
        for name in names:
            if name in part and not part[name]:
                del part[name]
    if spec["type"] == "ExternalName" and spec.get("internalTrafficPolicy") in {"Cluster", "Local"}:
        del spec["internalTrafficPolicy"]


def _gets_node_ports(spec: Object) -> bool:
    kind = spec["type"]
    return kind == "NodePort" or (kind == "LoadBalancer" and bool(spec.get("allocateLoadBalancerNodePorts", True)))


def _needs_health_check(spec: Object) -> bool:
    return needs_health_check(Field("spec", spec))

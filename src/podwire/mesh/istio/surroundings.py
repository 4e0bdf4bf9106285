"""The other objects of the same files that decide what an object of Istio becomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.written import ISTIO_ROOT, ConversionError, Object

Written = Mapping[str, Any]
NAME_LENGTH = 63
"""Of a Service: RFC 1035, section 2.3.4."""


@dataclass(frozen=True)
class Surroundings:
    """Services by name, the labels of the subsets of each, and the AuthorizationPolicies."""

    services: Mapping[NamespacedName, Written] = field(default_factory=dict)
    subsets: Mapping[tuple[NamespacedName, str], Mapping[str, str]] = field(default_factory=dict)
    policies: tuple[Written, ...] = ()

    def selector_of(self, service: NamespacedName) -> Mapping[str, str] | None:
        """Return the labels of the pods of a Service; None where it is not known or selects none."""
        return (self.services.get(service, {}).get("spec") or {}).get("selector") or None

    def port_of(self, service: NamespacedName) -> int | None:
        """Return the port of a Service that has only one."""
        ports: list[Object] = (self.services.get(service, {}).get("spec") or {}).get("ports") or []
        return int(ports[0]["port"]) if len(ports) == 1 else None

    def subset_service(self, service: NamespacedName, subset: str) -> Object:
        """Return a Service of the pods of a subset. Raises ConversionError where a part of it is not known."""
        labels = self.subsets.get((service, subset))
        name = f"{service.name}-{subset}"
        if labels is None:
            raise ConversionError(
                f"subset {subset} of {service.name} has no labels in these files: add its DestinationRule, or write "
                f"Service {name}"
            )
        selector = self.selector_of(service)
        if selector is None:
            shown = ", ".join(f"{key}: {value}" for key, value in labels.items())
            raise ConversionError(
                f"Service {service.name} with a selector is not in these files: add it, or write Service {name} whose "
                f"selector is that of {service.name} and {shown}"
            )
        if len(name) > NAME_LENGTH:
            raise ConversionError(f"the name {name} of a Service of subset {subset} is too long: write one by hand")
        if any(selector.get(key, value) != value for key, value in labels.items()):
            raise ConversionError(f"no pod of Service {service.name} has the labels of subset {subset}: correct them")
        return _narrowed(self.services[service], name, {**selector, **labels})


def surroundings(values: Iterable[Written]) -> Surroundings:
    """Return what the objects of all files mean. An object of another form is passed over: it is reported itself."""
    services: dict[NamespacedName, Written] = {}
    subsets: dict[tuple[NamespacedName, str], Mapping[str, str]] = {}
    policies = []
    for value in values:
        group = str(value.get("apiVersion", "")).partition("/")[0]
        try:
            if (group, value.get("kind")) == ("v1", "Service"):
                services[_key(value)] = value
            elif (group, value.get("kind")) == ("networking.istio.io", "DestinationRule"):
                subsets.update(_subsets(value))
            elif (group, value.get("kind")) == ("security.istio.io", "AuthorizationPolicy"):
                policies.append(value)
        except (ConversionError, AttributeError, TypeError, KeyError):
            continue
    return Surroundings(services, subsets, tuple(policies))


def _key(value: Written) -> NamespacedName:
    metadata = value["metadata"]
    return NamespacedName(str(metadata.get("namespace") or "default"), str(metadata["name"]))


def _subsets(value: Written) -> dict[tuple[NamespacedName, str], Mapping[str, str]]:
    spec = value["spec"]
    service = service_of(str(spec["host"]), _key(value).namespace)
    return {(service, str(one["name"])): one["labels"] for one in spec.get("subsets") or () if one.get("labels")}


def _narrowed(service: Written, name: str, selector: Mapping[str, str]) -> Object:
    metadata, spec = service["metadata"], service["spec"]
    kept = ("name", "port", "targetPort", "protocol", "appProtocol")
    ports = [{one: port[one] for one in kept if one in port} for port in spec.get("ports") or ()]
    labels = {"labels": dict(metadata["labels"])} if metadata.get("labels") else {}
    made = {"name": name, "namespace": str(metadata.get("namespace") or "default"), **labels}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": made,
        "spec": {"selector": dict(selector), "ports": ports},
    }


def is_root(value: Written) -> bool:
    """Whether an object is in the namespace whose policies are for all."""
    return bool((value.get("metadata") or {}).get("namespace") == ISTIO_ROOT)

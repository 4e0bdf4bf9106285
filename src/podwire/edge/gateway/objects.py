"""All objects that the translation reads, in memory, with the reverse indexes that lead from a change to its effects.

`put` and `remove` return the owners to derive again, by these rules:

- a GatewayClass: itself and its Gateways;
- a Gateway or ListenerSet: itself, the Gateway, its sets, and the class; routes follow where listeners differ; with
  a default Gateway, the routes that use default Gateways;
- a route: itself, and the policies of its backends. Its parents' counts of routes follow from its own derivation;
- a ReferenceGrant: Gateways (of sets too) and routes that refer into its namespace;
- a Secret or ConfigMap: the classes, Gateways and policies that refer to it, and the Services and routes behind those;
- a Service: itself (its endpoints), its policies, and the routes that refer to it, as a backend or as a parent; an
  EndpointSlice: the Service;
- a Namespace whose labels changed: the Gateways of its ListenerSets, its routes, and those of its Services;
- a BackendTLSPolicy: itself, the other policies of its Services, and the routes that refer to these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from podwire.edge.gateway import needs
from podwire.edge.gateway.index import Index
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
from podwire.edge.gateway.owners import AnyPolicy, AnyRoute, Owner, owner
from podwire.kube.core import ConfigMap, Namespace, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName, Object, ObjectMeta
from podwire.kube.services import Service

ROUTES = ("GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute")
_WITH_STATUS = frozenset((*ROUTES, "BackendTLSPolicy", "Gateway", "GatewayClass", "ListenerSet"))
"""Kinds whose status this controller writes."""
_CONTENTS = ("ConfigMap", "Secret")


class Objects:
    """The objects by kind and name. A look-up is a dictionary access; a change costs what it affects."""

    def __init__(self, controller: str = CONTROLLER_NAME, *, reads_config_maps: bool = True) -> None:
        self.controller = controller
        self.reads_config_maps = reads_config_maps
        """Whether `config_maps` has those that something refers to; else a reference to one is not supported."""
        self.gateway_classes: dict[NamespacedName, GatewayClass] = {}
        self.gateways: dict[NamespacedName, Gateway] = {}
        self.listener_sets: dict[NamespacedName, ListenerSet] = {}
        self.reference_grants: dict[NamespacedName, ReferenceGrant] = {}
        self.policies: dict[NamespacedName, AnyPolicy] = {}
        self.routes: dict[Owner, AnyRoute] = {}
        self.services: dict[NamespacedName, Service] = {}
        self.endpoint_slices: dict[NamespacedName, EndpointSlice] = {}
        self.namespaces: dict[NamespacedName, Namespace] = {}
        self.secrets: dict[NamespacedName, Secret] = {}
        self.config_maps: dict[NamespacedName, ConfigMap] = {}
        self._tables: dict[str, dict[NamespacedName, Any]] = {
            "GatewayClass": self.gateway_classes,
            "Gateway": self.gateways,
            "ListenerSet": self.listener_sets,
            "ReferenceGrant": self.reference_grants,
            "BackendTLSPolicy": self.policies,
            "Service": self.services,
            "EndpointSlice": self.endpoint_slices,
            "Namespace": self.namespaces,
            "Secret": self.secrets,
            "ConfigMap": self.config_maps,
        }
        self._needs: Index[needs.Need, Owner] = Index()
        self._contents: Index[needs.Need, Owner] = Index()
        """Needs of Secrets and ConfigMaps: few, and enumerated."""

    def put(self, kind: str, value: Object) -> tuple[Owner, ...]:
        """Add or replace an object of a kind, such as `Gateway`; return the owners to derive again.

        There are none where a status has changed that this controller writes. Raises KeyError for a kind that the
        translation does not read.
        """
        return self._change(owner(kind, value.key), value)

    def remove(self, kind: str, key: NamespacedName) -> tuple[Owner, ...]:
        """Remove an object, which need not exist; return the owners to derive again."""
        return self._change(owner(kind, key), None)

    def is_ours(self, gateway: Gateway) -> bool:
        """Whether the Gateway's class is one of this controller's."""
        found = self.class_of(gateway)
        return found is not None and found.spec.controller_name == self.controller

    def class_of(self, gateway: Gateway) -> GatewayClass | None:
        """Return the Gateway's class; None where it does not exist."""
        return self.gateway_classes.get(NamespacedName("", gateway.spec.gateway_class_name))

    def listener_sets_of(self, gateway: NamespacedName) -> tuple[ListenerSet, ...]:
        """Return the ListenerSets that refer to the Gateway, admitted or not: the oldest first, then by name."""
        found = [self.listener_sets[one.key] for one in self._needs.owners(needs.of("sets", gateway))]
        return tuple(sorted(found, key=lambda one: (one.metadata.creation_timestamp or "", one.key)))

    def routes_of(self, kind: str, parent: NamespacedName) -> tuple[tuple[Owner, AnyRoute], ...]:
        """Return the routes that refer to a Gateway or ListenerSet, by name; whether they are attached is left open.

        With a default Gateway also those that use default Gateways.
        """
        owners = {*self._needs.owners(needs.of(kind, parent)), *self._defaulted(owner(kind, parent))}
        return tuple((one, self.routes[one]) for one in sorted(owners) if one.kind in ROUTES)

    def default_gateways(self) -> tuple[NamespacedName, ...]:
        """Return the Gateways that routes may use without a reference, of any controller, by name."""
        return tuple(sorted(one.key for one in self._needs.owners(needs.DEFAULT)))

    def routes_to(self, service: NamespacedName) -> tuple[Owner, ...]:
        """Return the routes that refer to a Service, by name."""
        return tuple(sorted(self._needs.owners(needs.of("Service", service))))

    def routes_on(self, service: NamespacedName) -> tuple[Owner, ...]:
        """Return the routes whose parent is a Service, by name; whether they are attached is left open."""
        return tuple(sorted(self._needs.owners(needs.of("attached", service))))

    def policies_of(self, service: NamespacedName) -> tuple[AnyPolicy, ...]:
        """Return the BackendTLSPolicies of a Service: the oldest first, then by name."""
        found = [self.policies[one.key] for one in self._needs.owners(needs.of("policies", service))]
        return tuple(sorted(found, key=lambda one: (one.metadata.creation_timestamp or "", one.key)))

    def slices_of(self, service: NamespacedName) -> tuple[EndpointSlice, ...]:
        """Return the EndpointSlices of a Service, by name."""
        owners = sorted(self._needs.owners(needs.of("slices", service)))
        return tuple(self.endpoint_slices[one.key] for one in owners)

    def grants_of(self, namespace: str) -> tuple[ReferenceGrant, ...]:
        """Return the ReferenceGrants in a namespace."""
        owners = self._needs.owners(needs.Need("grants", namespace, ""))
        return tuple(self.reference_grants[one.key] for one in owners)

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """Return the labels of a namespace; empty where it is not known."""
        found = self.namespaces.get(NamespacedName("", namespace))
        return found.metadata.labels if found else {}

    def referenced(self, kind: str) -> frozenset[NamespacedName]:
        """Return the names of the Secrets or ConfigMaps that something refers to, whether they exist or not."""
        return frozenset(NamespacedName(one.namespace, one.name) for one in self._contents.needed if one.kind == kind)

    def _change(self, changed: Owner, value: Any) -> tuple[Owner, ...]:
        old = self._get(changed)
        if old is None and value is None:
            return ()
        if changed.kind == "Namespace" and old and value and old.metadata.labels == value.metadata.labels:
            self.namespaces[changed.key] = value
            return ()
        if changed.kind in _WITH_STATUS and _is_same(old, value):
            self._set(changed, value)
            return ()
        before = self._affected(changed)
        self._set(changed, value)
        needed = tuple(needs.of_object(changed.kind, value)) if value else ()
        self._needs.replace(changed, (one for one in needed if one.kind not in _CONTENTS))
        self._contents.replace(changed, (one for one in needed if one.kind in _CONTENTS))
        return tuple(sorted(before | self._affected(changed)))

    def _get(self, changed: Owner) -> Any:
        return self.routes.get(changed) if changed.kind in ROUTES else self._tables[changed.kind].get(changed.key)

    def _set(self, changed: Owner, value: Any) -> None:
        table = cast("dict[Any, Any]", self.routes if changed.kind in ROUTES else self._tables[changed.kind])
        key = changed if changed.kind in ROUTES else changed.key
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def _affected(self, changed: Owner) -> set[Owner]:
        """Return the owners to derive again, by what the indexes hold now."""
        match changed.kind:
            case "GatewayClass":
                return {changed, *self._gateways(self._needs.owners(needs.Need("GatewayClass", "", changed.name)))}
            case "Gateway" | "ListenerSet":
                return self._of_gateway(changed)
            case "ReferenceGrant":
                return self._with_gateways(self._needs.owners(needs.Need("into", changed.namespace, "")))
            case "Secret" | "ConfigMap":
                return self._of_content(changed)
            case "Service":
                return self._of_service(changed.key)
            case "EndpointSlice":
                found = self.endpoint_slices.get(changed.key)
                return {owner("Service", found.service)} if found else set()
            case "Namespace":
                return self._with_gateways(self._needs.owners(needs.Need("in", changed.name, "")))
            case "BackendTLSPolicy":
                return {changed, *self._of_policy(changed)}
            case _:
                return {changed, *self._policies_of_route(changed)}

    def _policies_of_route(self, route: Owner) -> Iterator[Owner]:
        found = self.routes.get(route)
        for key in {one.key(route.namespace) for one in found.backends if one.is_service} if found else ():
            yield from self._needs.owners(needs.of("policies", key))

    def _of_gateway(self, changed: Owner) -> set[Owner]:
        """The Gateway (of a ListenerSet: its parent), its class, and its sets."""
        affected = {changed}
        for gateway in [changed] if changed.kind == "Gateway" else self._gateways([changed]):
            affected.add(gateway)
            affected.update(self._defaulted(gateway))
            if found := self.gateways.get(gateway.key):
                affected.add(Owner("GatewayClass", "", found.spec.gateway_class_name))
            affected.update(self._needs.owners(needs.of("sets", gateway.key)))
        return affected

    def _defaulted(self, gateway: Owner) -> tuple[Owner, ...]:
        """The routes that use default Gateways, where this is one."""
        found = self.gateways.get(gateway.key) if gateway.kind == "Gateway" else None
        return self._needs.owners(needs.DEFAULTED) if found is not None and found.spec.is_default else ()

    def _of_content(self, changed: Owner) -> set[Owner]:
        affected = self._with_gateways(self._contents.owners(needs.of(changed.kind, changed.key)))
        for one in tuple(affected):
            if one.kind == "BackendTLSPolicy":
                affected |= self._of_policy(one)
            if one.kind == "GatewayClass":
                affected |= self._affected(one)
            if one.kind == "Gateway":
                affected |= self._of_gateway(one)
        return affected

    def _of_policy(self, changed: Owner) -> set[Owner]:
        policy = self.policies.get(changed.key)
        return {one for key in (policy.services if policy else ()) for one in self._of_service(key)}

    def _of_service(self, key: NamespacedName) -> set[Owner]:
        """The Service, its policies, and the routes that refer to it."""
        kinds = ("policies", "Service", "attached")
        return {owner("Service", key), *(one for kind in kinds for one in self._needs.owners(needs.of(kind, key)))}

    def _with_gateways(self, owners: Iterable[Owner]) -> set[Owner]:
        """Routes, policies, classes and Gateways among the owners; in place of a ListenerSet its Gateway too."""
        owners = tuple(owners)
        return {one for one in owners if one.kind not in ("EndpointSlice", "ReferenceGrant")} | self._gateways(owners)

    def _gateways(self, owners: Iterable[Owner]) -> set[Owner]:
        found = set()
        for one in owners:
            if one.kind == "Gateway":
                found.add(one)
            elif one.kind == "ListenerSet" and (value := self.listener_sets.get(one.key)):
                found.add(owner("Gateway", value.spec.parent_ref.key(one.namespace)))
        return found


def _is_same(old: Any, value: Any) -> bool:
    """Whether both are there, and differ by their status or by managed fields at most."""
    if old is None or value is None:
        return False
    return bool(old.spec == value.spec and _meaning(old.metadata) == _meaning(value.metadata))


def _meaning(metadata: ObjectMeta) -> object:
    """Return what of the metadata the translation or a status depends on."""
    return (
        metadata.uid,
        metadata.generation,
        metadata.creation_timestamp,
        metadata.deletion_timestamp,
        metadata.labels,
        metadata.annotations,
    )

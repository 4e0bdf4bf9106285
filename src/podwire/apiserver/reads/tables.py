"""Answers as tables, as `kubectl get` requests them.

Source: k8s.io/kubernetes `pkg/printers/internalversion`; kubernetes.io "Receiving resources as Tables". The texts for
`-o wide` are always there; the columns' priority decides what is shown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.reads.columns import admission, cluster, network, pods, workloads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.kinds.layout import Layout
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

META = "meta.k8s.io/v1"

_LAYOUTS: dict[tuple[str, str], Layout] = {
    ("", "configmaps"): cluster.CONFIG_MAPS,
    ("", "endpoints"): network.ENDPOINTS,
    ("", "events"): cluster.EVENTS,
    ("", "namespaces"): cluster.NAMESPACES,
    ("", "nodes"): cluster.NODES,
    ("", "pods"): pods.PODS,
    ("", "podtemplates"): workloads.POD_TEMPLATES,
    ("", "replicationcontrollers"): workloads.REPLICATION_CONTROLLERS,
    ("", "secrets"): cluster.SECRETS,
    ("", "serviceaccounts"): cluster.SERVICE_ACCOUNTS,
    ("", "services"): network.SERVICES,
    ("apiextensions.k8s.io", "customresourcedefinitions"): cluster.DEFINITIONS,
    ("apps", "controllerrevisions"): workloads.REVISIONS,
    ("apps", "daemonsets"): workloads.DAEMON_SETS,
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): admission.POLICIES,
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): admission.BINDINGS,
    ("apps", "deployments"): workloads.DEPLOYMENTS,
    ("apps", "replicasets"): workloads.REPLICA_SETS,
    ("apps", "statefulsets"): workloads.STATEFUL_SETS,
    ("autoscaling", "horizontalpodautoscalers"): workloads.AUTOSCALERS,
    ("autoscaling", "scales"): workloads.SCALES,
    ("batch", "cronjobs"): workloads.CRON_JOBS,
    ("batch", "jobs"): workloads.JOBS,
    ("coordination.k8s.io", "leases"): cluster.LEASES,
    ("discovery.k8s.io", "endpointslices"): network.ENDPOINT_SLICES,
    ("events.k8s.io", "events"): cluster.EVENTS_OF_THEIR_GROUP,
    ("networking.k8s.io", "ingressclasses"): network.INGRESS_CLASSES,
    ("networking.k8s.io", "ingresses"): network.INGRESSES,
    ("networking.k8s.io", "ipaddresses"): network.IP_ADDRESSES,
    ("networking.k8s.io", "networkpolicies"): network.NETWORK_POLICIES,
    ("networking.k8s.io", "servicecidrs"): network.SERVICE_CIDRS,
    ("policy", "poddisruptionbudgets"): workloads.BUDGETS,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): cluster.BINDINGS,
    ("rbac.authorization.k8s.io", "clusterroles"): cluster.ROLES,
    ("rbac.authorization.k8s.io", "rolebindings"): cluster.BINDINGS,
    ("rbac.authorization.k8s.io", "roles"): cluster.ROLES,
    ("scheduling.k8s.io", "priorityclasses"): cluster.PRIORITY_CLASSES,
    ("storage.k8s.io", "storageclasses"): cluster.STORAGE_CLASSES,
}


def table(
    resource: Resource,
    objects: Iterable[Object],
    include_object: str = "Metadata",
    *,
    now: datetime | None = None,
    columns: bool = True,
) -> Object:
    """A meta.k8s.io/v1 Table of the objects, without list metadata (the caller sets resourceVersion and continue).

    `include_object` is Metadata, Object or None (the parameter's values). Ages are counted to `now`, by default the
    present. `columns=False` leaves the definitions out, for the events of a watch.
    """
    found = layout(resource)
    moment = now or datetime.now(UTC)
    rows = [_row(found, obj, include_object, moment) for obj in objects]
    definitions = _definitions(found) if columns else None
    return {"kind": "Table", "apiVersion": META, "columnDefinitions": definitions, "rows": rows}


def columns(resource: Resource) -> list[Object]:
    """The column definitions of a resource."""
    return _definitions(layout(resource))


def layout(resource: Resource) -> Layout:
    """The columns of a resource."""
    return resource.layout or _LAYOUTS.get((resource.group, resource.plural), cluster.OTHERS)


def _definitions(found: Layout) -> list[Object]:
    return [column.json() for column in found.columns]


def _row(found: Layout, obj: Object, include_object: str, now: datetime) -> Object:
    row: Object = {"cells": list(found.cells(Field("", obj), now))}
    phase = obj.get("status", {}).get("phase") if found is pods.PODS else ""
    if phase in _ENDED:
        row["conditions"] = [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        row["object"] = partial(obj["metadata"])
    return row


def partial(metadata: Any) -> Object:
    """An object with nothing but its metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": metadata}


_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}

"""Changes of a Service that leads nowhere, as objects to apply. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from podwire.insight.connection.changes import Object, labels_of, without_status, yaml_of
from podwire.insight.connection.report import Change
from podwire.insight.snapshot import endpoints
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.services import Service, ServicePort


def service_changes(service: Service, chosen: Iterable[ServicePort], snapshot: Snapshot) -> Iterator[Change]:
    """Yield the selector that one workload fits nearly, or the target port that its pods have; none without a doubt."""
    selected = tuple(endpoints.selected(service, snapshot))
    if not selected and service.spec.selector:
        near = _nearest(service, snapshot)
        if near is not None:
            labels = labels_of(near, snapshot.workloads)
            place = snapshot.place("Service", service.key, "spec", "selector")
            text = f"the selector of Service {service.key} ({place}) means {near.owner}"
            yield Change(text, yaml_of(_with(service, snapshot, "selector", labels)))
        return
    for port in chosen:
        missing = [one for one in selected if endpoints.target(port, one) is None]
        numbers = {one.container_port for each in missing for one in each.ports if one.protocol == port.protocol}
        if missing and len(missing) == len(selected) and len(numbers) == 1:
            yield _retargeted(service, port, numbers.pop(), snapshot)


def _retargeted(service: Service, port: ServicePort, number: int, snapshot: Snapshot) -> Change:
    index = service.spec.ports.index(port)
    ports = without_status(_written(service, snapshot))["spec"]["ports"]
    ports[index]["targetPort"] = number
    place = snapshot.place("Service", service.key, "spec", "ports", index, "targetPort")
    text = f"the target port of Service {service.key} ({place}) is {number}, the only one of the pods"
    return Change(text, yaml_of(_with(service, snapshot, "ports", ports)))


def _nearest(service: Service, snapshot: Snapshot) -> Workload | None:
    """Return the only workload whose labels are nearly those of the selector, else that of the Service's name."""
    own = [one for one in snapshot.workloads if one.namespace == service.metadata.namespace and one.labels]
    near = [one for one in own if all(_is_near(one.labels.get(k), v) for k, v in service.spec.selector.items())]
    found = near or [one for one in own if one.name == service.metadata.name]
    return found[0] if len(found) == 1 else None


def _is_near(label: str | None, requested: str) -> bool:
    return label is not None and difflib.SequenceMatcher(None, label, requested).ratio() >= 0.75


def _written(service: Service, snapshot: Snapshot) -> Any:
    manifest = snapshot.manifests.get(("Service", service.key))
    return manifest.value if manifest is not None else msgspec.to_builtins(service)


def _with(service: Service, snapshot: Snapshot, field: str, value: Any) -> Object:
    """Return the Service with another value of a field of its spec."""
    found = without_status(_written(service, snapshot))
    found["metadata"]["namespace"] = service.metadata.namespace
    return {"apiVersion": "v1", "kind": "Service", **found, "spec": {**found["spec"], field: value}}

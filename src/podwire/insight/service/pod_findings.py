"""Why pods of a Service are no endpoints: no pod is selected, none is ready, or none has the port. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from podwire.insight.pod_reading import PodReading, cause
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Finding, Severity
from podwire.kube.core import ContainerPort

SHOWN = 5
"""Names in one sentence; more are counted."""


def findings(objects: ServiceObjects) -> Iterator[Finding]:
    """Return what hinders the pods that the Service selects; nothing for a Service without selector."""
    if not objects.service.spec.selector or "pods" in objects.unreadable:
        return
    live = [pod for pod in objects.selected if not pod.finished]
    if not live:
        yield _none_selected(objects)
        return
    yield from _unready(objects, live)
    yield from _missing_ports(objects, live)


def _none_selected(objects: ServiceObjects) -> Finding:
    service = objects.service
    selector = ",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
    ended = len(objects.selected)
    text = f"The selector {selector} matches no pod of namespace {service.metadata.namespace}"
    if ended:
        text += f" but {ended} whose containers have ended and do not start again"
    near = closest(objects)
    remedy = f"Label pods {selector}, or change spec.selector"
    if near:
        remedy += f"; the closest are {near}"
    return Finding(Severity.ERROR, "NoPodSelected", f"{text}: nothing answers.", f"{remedy}.")


def closest(objects: ServiceObjects) -> str:
    """Return the pods that match most of the selector, and what differs; empty where none matches a part of it."""
    selector = objects.service.spec.selector
    scored: defaultdict[int, list[PodReading]] = defaultdict(list)
    for pod in objects.pods:
        labels = pod.metadata.labels
        if not pod.finished and selector.keys() & labels.keys():
            scored[sum(labels.get(key) == value for key, value in selector.items())].append(pod)
    if not scored:
        return ""
    best = scored[max(scored)]
    differing = {
        f"{key}={pod.metadata.labels[key]}" if key in pod.metadata.labels else f"no label {key}"
        for pod in best
        for key, value in selector.items()
        if pod.metadata.labels.get(key) != value
    }
    return f"{names([pod.metadata.name for pod in best])} ({', '.join(sorted(differing))})"


def _unready(objects: ServiceObjects, live: Sequence[PodReading]) -> Iterator[Finding]:
    by_cause: defaultdict[str, list[str]] = defaultdict(list)
    for pod in live:
        if not pod.ready and pod.metadata.deletion_timestamp is None:
            by_cause[cause(pod)].append(pod.metadata.name)
    if objects.service.spec.publish_not_ready_addresses:
        count = sum(map(len, by_cause.values()))
        if count:
            text = f"{count} of {len(live)} pods are not ready and receive connections all the same"
            yield Finding(Severity.NOTE, "NotReadyPublished", f"{text}: publishNotReadyAddresses is true.")
        return
    any_ready = any(pod.ready for pod in live)
    for why, found in sorted(by_cause.items()):
        yield Finding(
            Severity.WARNING if any_ready else Severity.ERROR,
            "PodNotReady",
            f"{names(found)} of {len(live)} {'pod' if len(live) == 1 else 'pods'}"
            f" {'is' if len(found) == 1 else 'are'} not ready: {why}.",
            f"See 'kubectl -n {objects.service.metadata.namespace} describe pod {found[0]}'.",
        )


def _missing_ports(objects: ServiceObjects, live: Sequence[PodReading]) -> Iterator[Finding]:
    """Named target ports that no container of a pod declares: such a pod is no endpoint of that port."""
    for port in objects.service.spec.ports:
        if not isinstance(port.target_port, str) or port.target_port.isdecimal():
            continue
        without = [pod for pod in live if not has_port(pod, port.target_port, port.protocol)]
        if not without:
            continue
        declared = sorted({found for pod in without for found in port_names(pod)})
        yield Finding(
            Severity.ERROR if len(without) == len(live) else Severity.WARNING,
            "TargetPortMissing",
            f"No container of {names([pod.metadata.name for pod in without])} has a {port.protocol} port named"
            f" {port.target_port!r}, the targetPort of port {port.name or port.port}.",
            f"Name a container port {port.target_port!r}, or use a number as targetPort"
            + (f"; there are {', '.join(declared)}." if declared else "; the containers name no port."),
        )


def has_port(pod: PodReading, name: str, protocol: str) -> bool:
    """Whether a container, or a sidecar, declares a port of this name."""
    return any(port.name == name and port.protocol == protocol for port in _ports(pod))


def port_names(pod: PodReading) -> list[str]:
    """The ports that a pod declares with a name, such as `http (TCP 8080)`."""
    return [f"{port.name} ({port.protocol} {port.container_port})" for port in _ports(pod) if port.name]


def _ports(pod: PodReading) -> Iterator[ContainerPort]:
    sidecars = (one for one in pod.spec.init_containers if one.restart_policy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        yield from container.ports


def names(found: Sequence[str]) -> str:
    """Join names for a sentence, the first few where there are many."""
    shown = sorted(found)[:SHOWN]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

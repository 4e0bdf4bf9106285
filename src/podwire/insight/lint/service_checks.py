"""Checks of Services: they select pods by labels and ports that must be there. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene
from podwire.insight.lint.selectors import LabelIndex
from podwire.insight.snapshot.endpoints import selected, target
from podwire.kube.services import Service


def service_selects_nothing(scene: Scene) -> Iterator[Finding]:
    """Services whose selector selects no pod."""
    for service in scene.snapshot.services:
        if not service.spec.selector or service.spec.type == "ExternalName" or any(selected(service, scene.snapshot)):
            continue
        namespace = service.metadata.namespace
        index = LabelIndex(one.labels for one in scene.snapshot.workloads if one.namespace == namespace)
        found = (index.nearest(*pair) for pair in service.spec.selector.items())
        near = sorted(
            {one for labels in found for one in labels} - {f"{k}={v}" for k, v in service.spec.selector.items()}
        )
        labels = ",".join(f"{key}={value}" for key, value in service.spec.selector.items())
        yield _finding(
            scene, service, "service-without-pods", ("spec", "selector"),
            f"no pod of namespace {namespace} has {labels}" + (f"; there is {', '.join(near[:3])}" if near else ""),
            f"correct the selector or the labels of the pods{_unread(namespace, scene)}",
        )  # fmt: skip


def _unread(namespace: str, scene: Scene) -> str:
    found = [
        f"{kind.kind} {one.name}" for kind in scene.snapshot.unknown for one in kind.with_pods
        if one.namespace == namespace
    ]  # fmt: skip
    shown = f"{', '.join(found[:3])}{' ...' if len(found) > 3 else ''}"
    return f"; the pods of {shown} are not read: write its template as a Deployment too" if found else ""


def service_target_ports(scene: Scene) -> Iterator[Finding]:
    """Names of target ports that no container has."""
    for service in scene.snapshot.services:
        pods = list(selected(service, scene.snapshot))
        for number, port in enumerate(service.spec.ports):
            if not pods or any(target(port, pod) is not None for pod in pods):
                continue
            names = sorted(
                {one.name for pod in pods for one in pod.ports if one.name and one.protocol == port.protocol}
            )
            yield _finding(
                scene, service, "service-target-port", ("spec", "ports", number, "targetPort"),
                f"no container of {', '.join(sorted(map(str, pods))[:3])} has a {port.protocol} port named "
                f"{port.target_port}; there is {', '.join(names) or 'no name'}",
                "use a name of the containers' ports, or the number",
            )  # fmt: skip


def _finding(
    scene: Scene, service: Service, check: str, path: tuple[str | int, ...], message: str, remedy: str
) -> Finding:
    place = scene.at("Service", service.key, *path)
    return Finding(check, Severity.ERROR, place, f"Service {service.key}", message, remedy)

"""Which ConfigMaps and Secrets a pod refers to, and whether a Service selects it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podwire.kube.core import Container, Pod
from podwire.kube.services import Service
from podwire.kube.volumes import Volume
from podwire.lab.kubelet import pod_plan

CONFIG_MAP = "ConfigMap"
SECRET = "Secret"  # noqa: S105 - the name of a kind


class Reference(NamedTuple):
    """An object of the pod's own namespace."""

    kind: str
    name: str


def references(pod: Pod) -> frozenset[Reference]:
    """Return the ConfigMaps and Secrets that the pod's containers and volumes name, whether they exist or not."""
    found = [reference for container in pod_plan.ordered(pod) for reference in _of_container(container)]
    found += [reference for volume in pod.spec.volumes for reference in _of_volume(volume)]
    return frozenset(found)


def _of_container(container: Container) -> Iterator[Reference]:
    for whole in container.env_from:
        if whole.config_map_ref is not None:
            yield Reference(CONFIG_MAP, whole.config_map_ref.name)
        if whole.secret_ref is not None:
            yield Reference(SECRET, whole.secret_ref.name)
    for variable in container.env:
        source = variable.value_from
        if source is not None and source.config_map_key_ref is not None:
            yield Reference(CONFIG_MAP, source.config_map_key_ref.name)
        if source is not None and source.secret_key_ref is not None:
            yield Reference(SECRET, source.secret_key_ref.name)


def _of_volume(volume: Volume) -> Iterator[Reference]:
    if volume.config_map is not None:
        yield Reference(CONFIG_MAP, volume.config_map.name)
    if volume.secret is not None:
        yield Reference(SECRET, volume.secret.secret_name)
    for part in volume.projected.sources if volume.projected is not None else ():
        if part.config_map is not None:
            yield Reference(CONFIG_MAP, part.config_map.name)
        if part.secret is not None:
            yield Reference(SECRET, part.secret.name)


def selects(service: Service | None, pod: Pod) -> bool:
    """Return whether a Service has a selector and the pod has its labels."""
    if service is None or service.metadata.namespace != pod.metadata.namespace:
        return False
    selector = service.spec.selector
    return bool(selector) and selector.items() <= pod.metadata.labels.items()

"""Limits and requests of containers as texts (`resourceFieldRef`): divided, rounded up. Pure.

Source: k8s.io/kubernetes `pkg/api/v1/resource/helpers.go` ExtractContainerResourceValue, MergeContainerResourceLimits.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from podwire.kube import quantities
from podwire.kube.core import Container, Pod
from podwire.kube.volumes import Quantity, ResourceFieldSelector

FROM_NODE = frozenset({"cpu", "memory", "ephemeral-storage"})
"""Resources whose limit is what the node can allocate, where a container has none."""


class ResourceFieldError(ValueError):
    """A resource or container that does not exist. The text names it."""


def resource_field(
    pod: Pod, container: Container | None, selector: ResourceFieldSelector, allocatable: Mapping[str, Quantity]
) -> str:
    """Return the value. Without a container the selector must name one. Raises ResourceFieldError."""
    if selector.container_name or container is None:
        container = _named(pod, selector.container_name)
    kind, _, name = selector.resource.partition(".")
    if kind not in {"limits", "requests"} or not (name in FROM_NODE or name.startswith("hugepages-")):
        raise ResourceFieldError(f"unsupported container resource : {selector.resource}")
    divisor = quantities.number(selector.divisor) or Decimal(1)
    amount = _amount(container, kind, name, allocatable)
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))


def _named(pod: Pod, name: str) -> Container:
    for container in (*pod.spec.containers, *pod.spec.init_containers, *pod.spec.ephemeral_containers):
        if container.name == name:
            return container
    raise ResourceFieldError(f"container {name} not found")


def _amount(container: Container, kind: str, name: str, allocatable: Mapping[str, Quantity]) -> Decimal:
    limits, requests = container.resources.limits, container.resources.requests
    if kind == "requests":
        return quantities.number(requests.get(name, limits.get(name, "0")))
    limit = quantities.number(limits.get(name, "0"))
    return limit or (quantities.number(allocatable.get(name, "0")) if name in FROM_NODE else limit)

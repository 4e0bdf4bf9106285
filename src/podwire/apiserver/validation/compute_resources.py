"""Requests and limits of containers and pods.

Source: k8s.io/kubernetes `pkg/apis/core/validation` validateResourceRequirements, validatePodResources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

HUGE_PAGES = "hugepages-"
POD_LEVEL = ("cpu", "memory")
"""Resources that a pod's own requests and limits may name, beside huge pages."""

_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_NATIVE_DOMAIN = "kubernetes.io/"
_COUNTED = frozenset(
    {
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
"""Resources of which there are whole numbers only."""

_OF_QUOTAS = frozenset(
    {"storage", "requests.storage"}
    | {f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")}
)


def container(resources: Field) -> Iterator[Cause]:
    """Check the requests and limits of a container."""
    yield from _requirements(resources, _container_name)
    for claim in resources["claims"]:
        yield from ([] if claim["name"] else [field_errors.required(claim.path)])


def pod(spec: Field) -> Iterator[Cause]:
    """Check the requests and limits of a pod as a whole, and its containers against them."""
    resources = spec["resources"]
    if not resources.given:
        return
    if resources["claims"].given:
        yield resources["claims"].forbidden("claims may not be set for Resources at pod-level")
    yield from _requirements(resources, _pod_name)
    yield from _against_containers(spec, resources)


def amount(name: str, field: Field) -> Iterator[Cause]:
    """Check the quantity of one resource."""
    number = quantities.number(field.value)
    if number < 0:
        yield _shown(field, "must be greater than or equal to 0")
    if (name in _COUNTED or is_extended(name)) and number != number.to_integral_value():
        yield _shown(field, "must be an integer")


def is_extended(name: str) -> bool:
    """Whether a resource is a device or the like that a cluster's own components define."""
    return "/" in name and _NATIVE_DOMAIN not in name and not name.startswith("requests.")


def _requirements(resources: Field, check_name: Callable[[str], list[str]]) -> Iterator[Cause]:
    limits, requests = resources["limits"], resources["requests"]
    for part in (limits, requests):
        for name in part.value or {}:
            field = part.key(name)
            yield from (field_errors.invalid(field.path, name, text) for text in check_name(name))
            yield from amount(name, field)
    for name, desired in (requests.value or {}).items():
        yield from _against_limit(name, desired, limits, requests)
    named = {*(limits.value or ()), *(requests.value or ())}
    if any(name.startswith(HUGE_PAGES) for name in named) and not named & {"cpu", "memory"}:
        yield resources.forbidden("HugePages require cpu or memory")


def _against_limit(name: str, desired: str, limits: Field, requests: Field) -> Iterator[Cause]:
    limit = (limits.value or {}).get(name)
    overcommitted = not is_extended(name) and not name.startswith(HUGE_PAGES)
    if limit is None:
        if not overcommitted:
            yield limits.required("Limit must be set for non overcommitable resources")
        return
    most, request = quantities.number(limit), quantities.number(desired)
    relation = "must be less than or equal to" if overcommitted else "must be equal to"
    if request > most or (request != most and not overcommitted):
        detail = f"{relation} {name} limit of {quantities.canonical(limit)}"
        yield field_errors.invalid(requests.path, quantities.canonical(desired), detail)


def _against_containers(spec: Field, resources: Field) -> Iterator[Cause]:
    for name, desired in (resources["requests"].value or {}).items():
        parts = (one["resources"]["requests"].key(name).value for one in spec["containers"])
        together = sum(quantities.number(part) for part in parts if part is not None)
        if together > quantities.number(desired):
            field = resources["requests"].key(name)
            total = quantities.canonical(str(together))
            yield _shown(field, f"must be greater than or equal to aggregate container requests of {total}")
    for name, most in (resources["limits"].value or {}).items():
        for position, one in enumerate(spec["containers"]):
            limit = one["resources"]["limits"].key(name)
            if limit.given and quantities.number(limit.value) > quantities.number(most):
                path = f"{resources.path}.containers[{position}][{name}].limits"
                detail = f"must be less than or equal to pod limits of {quantities.canonical(most)}"
                yield field_errors.invalid(path, quantities.canonical(limit.value), detail)


def _container_name(name: str) -> list[str]:
    wrong = _name(name)
    if wrong or "/" in name:
        return wrong
    return [] if name in _CONTAINER or name.startswith(HUGE_PAGES) else ["must be a standard resource for containers"]


def _pod_name(name: str) -> list[str]:
    wrong = _name(name)
    if wrong or name in POD_LEVEL or name.startswith(HUGE_PAGES):
        return wrong
    return [f"supported values: {', '.join(POD_LEVEL)}"]


def _name(name: str) -> list[str]:
    wrong = formats.label_key(name)
    standard = (
        name in _CONTAINER or name in _COUNTED | _OF_QUOTAS or name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))
    )
    if not wrong and "/" not in name and not standard:
        wrong = ["must be a standard resource type or fully qualified"]
    return wrong


def _shown(field: Field, detail: str) -> Cause:
    return field_errors.invalid(field.path, quantities.canonical(field.value), detail)

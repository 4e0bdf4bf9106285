"""References to fields of the pod itself.

Source: k8s.io/kubernetes `pkg/apis/core/validation` validateObjectFieldSelector,
validateContainerResourceFieldSelector; `pkg/apis/core/pods` ConvertDownwardAPIFieldLabel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

ENVIRONMENT_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)

_KNOWN = {*ENVIRONMENT_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]", re.DOTALL)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS = {
    "cpu": (("1m", "1"), "1m and 1", "cpu"),
    "memory": (_BYTES, ", ".join(_BYTES), "memory"),
    "ephemeral-storage": (_BYTES, ", ".join(_BYTES), "local ephemeral storage"),
}


def field_reference(reference: Field, supported: tuple[str, ...]) -> Iterator[Cause]:
    """Check a `fieldRef` to one of the supported fields."""
    version, path = reference["apiVersion"], reference["fieldPath"]
    if not version:
        yield version.required()
    elif not path:
        yield path.required()
    elif version.text != "v1":
        yield path.invalid(f"error converting fieldPath: unsupported pod version: {version.text}")
    elif subscripted := _SUBSCRIPTED.fullmatch(path.text):
        yield from _subscript(reference, path, subscripted[1], subscripted[2])
    elif path.text not in _KNOWN:
        yield path.invalid(f"error converting fieldPath: field label not supported: {path.text}")
    elif path.text not in supported:
        yield path.unsupported(supported)


def resource_reference(reference: Field, *, in_volume: bool) -> Iterator[Cause]:
    """Check a `resourceFieldRef`; in a volume it must name its container."""
    resource = reference["resource"]
    if in_volume and not reference["containerName"]:
        yield reference["containerName"].required()
    elif not resource:
        yield resource.required()
    elif resource.text not in RESOURCES and not resource.text.startswith(_HUGE_PAGES):
        yield resource.unsupported(RESOURCES)
    yield from _divisor(reference["divisor"], resource.text)


def _subscript(reference: Field, path: Field, outer: str, key: str) -> Iterator[Cause]:
    if outer not in {"metadata.annotations", "metadata.labels"}:
        yield path.invalid(f"error converting fieldPath: field label does not support subscript: {path.text}")
        return
    name = key.lower() if outer == "metadata.annotations" else key
    yield from (field_errors.invalid(reference.path, name, text) for text in formats.label_key(name))


def _divisor(divisor: Field, resource: str) -> Iterator[Cause]:
    if not divisor.given or not quantities.number(divisor.value):
        return
    kind = resource.partition(".")[2]
    allowed, listed, noun = _DIVISORS.get(kind, (_BYTES, ", ".join(_BYTES), "hugepages"))
    known = kind in _DIVISORS or resource.startswith(_HUGE_PAGES)
    if known and quantities.canonical(divisor.value) not in allowed:
        yield field_errors.invalid(
            divisor.path, resource, f"only divisor's values {listed} are supported with the {noun} resource"
        )

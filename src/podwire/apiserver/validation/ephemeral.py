"""Ephemeral containers. Source: k8s.io/kubernetes `pkg/apis/core/validation` validateEphemeralContainers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_ALLOWED = frozenset(
    {
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "name",
        "resources",
        "securityContext",
        "stdin",
        "stdinOnce",
        "targetContainerName",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    }
)
_NOT_FOR_THESE = "cannot be set for an Ephemeral Container"


def container(field: Field, others: set[str]) -> Iterator[Cause]:
    """Check the rules of ephemeral containers alone; `others` are the names of the pod's other containers."""
    target = field["targetContainerName"]
    if target and target.text not in others:
        yield target.not_found()
    for name in sorted((field.value or {}).keys() - _ALLOWED):
        yield field[name].forbidden(_NOT_FOR_THESE)
    if field["resources"].value:
        yield field["resources"].forbidden(_NOT_FOR_THESE)
    for mount in field["volumeMounts"]:
        for part in ("subPath", "subPathExpr"):
            if mount[part]:
                yield mount[part].forbidden(_NOT_FOR_THESE)


def update(now: Field, before: Field) -> Iterator[Cause]:
    """Refuse to change or remove ephemeral containers of a pod."""
    desired = {entry["name"].text: entry.value for entry in now["ephemeralContainers"]}
    for entry in before["ephemeralContainers"]:
        name = entry["name"].text
        if name not in desired:
            yield _forbidden(f'existing ephemeral containers "{name}" may not be removed')
        elif desired[name] != entry.value:
            yield _forbidden(f'existing ephemeral containers "{name}" may not be changed')


def _forbidden(message: str) -> Cause:
    return field_errors.forbidden("spec.ephemeralContainers", message)

"""Volume mounts of a container. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateVolumeMounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def validate(container: Field, volume_names: set[str]) -> Iterator[Cause]:
    """Check all mounts of a container against each other and the volumes of the pod."""
    paths: set[str] = set()
    devices = list(container["volumeDevices"])
    for mount in container["volumeMounts"]:
        name, path = mount["name"], mount["mountPath"]
        if not name:
            yield name.required()
        if name.text not in volume_names:
            yield name.not_found()
        if not path:
            yield path.required()
        if path.text in paths:
            yield path.invalid("must be unique")
        paths.add(path.text)
        if any(device["name"].text == name.text for device in devices):
            yield name.invalid("must not already exist in volumeDevices")
        yield from _alone(mount, privileged=container["securityContext"]["privileged"].value is True)


def _alone(mount: Field, *, privileged: bool) -> Iterator[Cause]:
    for part in ("subPath", "subPathExpr"):
        if mount[part]:
            yield from mount[part].invalid_each(formats.descending_path(mount[part].text))
    if mount["subPath"] and mount["subPathExpr"]:
        yield mount["subPathExpr"].invalid("subPathExpr and subPath are mutually exclusive")
    propagation, recursive = mount["mountPropagation"], mount["recursiveReadOnly"]
    if propagation.given and propagation.value not in PROPAGATIONS:
        yield propagation.unsupported(PROPAGATIONS)
    if propagation.text == "Bidirectional" and not privileged:
        yield propagation.forbidden("Bidirectional mount propagation is available only to privileged containers")
    if recursive.given and recursive.value not in RECURSIVE_READ_ONLY:
        yield recursive.unsupported(RECURSIVE_READ_ONLY)
    elif recursive.text in {"Enabled", "IfPossible"}:
        if not mount["readOnly"]:
            yield recursive.forbidden("may only be specified when readOnly is true")
        if propagation.given and propagation.text != "None":
            yield recursive.forbidden("may only be specified when mountPropagation is None or not specified")

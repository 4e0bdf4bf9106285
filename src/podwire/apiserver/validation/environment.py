"""Environment variables of a container. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateEnv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import downward_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ONE_OF = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def validate(container: Field) -> Iterator[Cause]:
    """Check `env` and `envFrom` of a container."""
    for variable in container["env"]:
        name, source = variable["name"], variable["valueFrom"]
        yield from [name.required()] if not name else name.invalid_each(formats.variable_name(name.text))
        if source.given:
            yield from _source(variable, source)
    for group in container["envFrom"]:
        yield from _group(container["envFrom"], group)


def _source(variable: Field, source: Field) -> Iterator[Cause]:
    if source["fieldRef"].given:
        yield from downward_api.field_reference(source["fieldRef"], downward_api.ENVIRONMENT_FIELDS)
    if source["resourceFieldRef"].given:
        yield from downward_api.resource_reference(source["resourceFieldRef"], in_volume=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if source[kind].given:
            yield from _key(source[kind])
    if source["fileKeyRef"].given:
        yield from _file(source["fileKeyRef"])
    count = sum(source[kind].given for kind in _SOURCES)
    if count == 0:
        yield field_errors.invalid(source.path, "", _ONE_OF)
    elif variable["value"]:
        yield field_errors.invalid(source.path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield field_errors.invalid(source.path, "", "may not have more than one field specified at a time")


def _key(reference: Field) -> Iterator[Cause]:
    """Check a reference to a key of a ConfigMap or Secret."""
    name, key = reference["name"], reference["key"]
    yield from (field_errors.invalid(name.path, name.text, text) for text in formats.dns_subdomain(name.text))
    yield from [key.required()] if not key else key.invalid_each(formats.config_key(key.text))


def _file(reference: Field) -> Iterator[Cause]:
    key, volume, path = reference["key"], reference["volumeName"], reference["path"]
    yield from [key.required()] if not key else key.invalid_each(formats.variable_name(key.text))
    yield from [volume.required()] if not volume else volume.invalid_each(formats.dns_label(volume.text))
    yield from [path.required()] if not path else path.invalid_each(formats.no_backsteps(path.text))


def _group(groups: Field, group: Field) -> Iterator[Cause]:
    if group["prefix"]:
        yield from group["prefix"].invalid_each(formats.variable_name(group["prefix"].text))
    given = [group[kind] for kind in ("configMapRef", "secretRef") if group[kind].given]
    for reference in given:
        name = reference["name"]
        yield from [name.required()] if not name else name.invalid_each(formats.dns_subdomain(name.text))
    if not given:
        yield field_errors.invalid(groups.path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        yield field_errors.invalid(groups.path, "", "may not have more than one field specified at a time")

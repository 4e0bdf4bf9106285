"""Warnings of references to authorities: ConfigMaps with certificates in PEM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.writes.gateway_warnings import grants
from podwire.apiserver.writes.gateway_warnings.existing import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.writes.gateway_warnings.existing import Existing

KEY = "ca.crt"


def of_authority(obj: Field, field: Field, existing: Existing) -> Iterator[str]:
    """The warnings of one reference of an object."""
    desired = reference(field, "", "ConfigMap", obj["metadata"]["namespace"].text)
    if (desired.group, desired.kind) != ("", "ConfigMap"):
        yield f"{field.path}: authorities are in a ConfigMap, not a {desired.kind}: name a ConfigMap"
        return
    yield from grants.missing(field, obj.value, desired, existing)
    found = existing.find(desired)
    if found is None:
        yield f"{field.path}: {desired} does not exist: create it with the certificates in key {KEY}"
    elif KEY not in (found.get("data") or {}):
        yield f"{field.path}: {desired} has no key {KEY}: put the authority's certificates there"

"""Whether a ReferenceGrant allows a reference into another namespace.

Source: gateway-api `apis/v1/referencegrant_types.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.kube import gateway_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.writes.gateway_warnings.existing import Existing, Reference

Object = dict[str, Any]


def missing(field: Field, source: Object, desired: Reference, existing: Existing) -> Iterator[str]:
    """Warn of a reference of an object into another namespace that no ReferenceGrant there allows."""
    own = source["metadata"]["namespace"]
    if desired.namespace == own:
        return
    grants = existing.all(gateway_api.GROUP, "ReferenceGrant", desired.namespace)
    if not any(_allows(grant.get("spec", {}), source["kind"], own, desired) for grant in grants):
        yield (
            f"{field.path}: {desired} is in another namespace: a ReferenceGrant in {desired.namespace} must allow "
            f"{source['kind']} of namespace {own}"
        )


def _allows(spec: Object, kind: str, namespace: str, desired: Reference) -> bool:
    source = {"group": gateway_api.GROUP, "kind": kind, "namespace": namespace}
    to = (
        (one.get("group"), one.get("kind")) == (desired.group, desired.kind)
        and one.get("name") in {None, "", desired.name}
        for one in spec.get("to", ())
    )
    return source in spec.get("from", ()) and any(to)

"""From a definition to the resources that serve it. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.kinds.builtin import SCALE
from podwire.apiserver.kinds.resources import STANDARD_VERBS, Resource, Subresource

if TYPE_CHECKING:
    from podwire.apiserver.custom.definition import Definition, Version
    from podwire.apiserver.kinds.custom_resource import CustomResource

_WRITE = ("get", "patch", "update")


def storage(definition: Definition) -> str:
    """The table of the kind's objects: all versions share it."""
    return f"{definition.spec.names.plural}.{definition.spec.group}"


def fingerprint(definition: Definition) -> str:
    """A text that changes when the resources change: with the spec, and when deletion starts."""
    content = msgspec.json.encode((definition.spec, definition.terminating))
    return hashlib.sha256(content).hexdigest()[:16]


def resources(definition: Definition, since: int) -> tuple[Resource, ...]:
    """A resource for each served version; objects stored after `since` were written under this definition."""
    from podwire.apiserver.custom.kind import CustomKind  # schemas and all: names alone are served without it

    mark = fingerprint(definition)
    return tuple(
        resource(definition, version, CustomKind(definition, version, mark, since)) for version in definition.served
    )


def resource(definition: Definition, version: Version, custom: CustomResource | None) -> Resource:
    """The resource of one version; without behaviour it has names and verbs only."""
    spec = definition.spec
    names = spec.names
    return Resource(
        group=spec.group,
        version=version.name,
        plural=names.plural,
        singular=names.singular,
        kind=names.kind,
        namespaced=spec.scope == "Namespaced",
        list_kind=names.list_kind,
        short_names=names.short_names,
        categories=names.categories,
        verbs=tuple(verb for verb in STANDARD_VERBS if not (definition.terminating and verb == "create")),
        subresources={part.name: part for part in _parts(definition, version)},
        storage=storage(definition),
        patch_strategic=False,
        custom=custom,
    )


def _parts(definition: Definition, version: Version) -> tuple[Subresource, ...]:
    status = Subresource("status", definition.spec.group, version.name, definition.spec.names.kind, _WRITE)
    declared = version.subresources
    return (*((SCALE,) if declared.scale else ()), *((status,) if declared.status is not None else ()))

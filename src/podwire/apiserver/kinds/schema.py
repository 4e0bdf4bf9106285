"""The schemas of the served kinds, read from package data a part at a time (see data/README.md).

Source: the published OpenAPI of Kubernetes 1.37; kubernetes.io "structured-merge-diff" markers for lists and maps.
"""

from __future__ import annotations

import functools
import zipfile
from importlib import resources as package_data
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from importlib.abc import Traversable


class Schema(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One JSON value's schema, OpenAPI's part that Kubernetes uses. A schema with a `ref` has nothing else.

    `default` is known of kinds of users only: the published schemas come without.
    No type, reference or choice at all means any value (`JSON` of apiextensions); an object without properties and
    without `additional` keeps whatever it has (RawExtension).
    """

    ref: str = msgspec.field(default="", name="$ref")
    type: str = ""
    format: str = ""
    properties: dict[str, Schema] = {}
    required: tuple[str, ...] = ()
    items: Schema | None = None
    additional: Schema | None = msgspec.field(default=None, name="additionalProperties")
    one_of: tuple[Schema, ...] = msgspec.field(default=(), name="oneOf")
    list_type: str = msgspec.field(default="", name="x-kubernetes-list-type")
    default: Any = None
    list_map_keys: tuple[str, ...] = msgspec.field(default=(), name="x-kubernetes-list-map-keys")
    map_type: str = msgspec.field(default="", name="x-kubernetes-map-type")
    patch_strategy: str = msgspec.field(default="", name="x-kubernetes-patch-strategy")
    patch_merge_key: str = msgspec.field(default="", name="x-kubernetes-patch-merge-key")

    @property
    def any_object(self) -> bool:
        """Whether an object may have any fields."""
        return not self.properties and self.additional is None

    def child(self, name: str) -> Schema | None:
        """The schema of a field, references followed; None for a field that is not known."""
        found = self.properties.get(name, self.additional)
        return None if found is None else resolve(found)


class ListRule(msgspec.Struct, frozen=True):
    """How strategic merge patch treats a list: replaced whole unless `merge`.

    Lists of objects merge by `merge_key`; lists of plain values (no merge key) merge as sets.
    `items` are the rules of the objects in the list, None for plain values.
    """

    merge: bool = False
    merge_key: str = ""
    items: MergeRules | None = None


class MergeRules(msgspec.Struct, frozen=True):
    """How strategic merge patch treats one JSON object: look a property up, and follow it."""

    schema: Schema

    def child(self, name: str) -> ListRule | MergeRules | None:
        """A ListRule for a list, MergeRules for an object or map, None for what is replaced whole."""
        declared = self.schema.properties.get(name, self.schema.additional)
        if declared is None or declared.patch_strategy == "replace":
            return None
        value = resolve(declared)
        if value.type == "array":
            strategies = declared.patch_strategy.split(",")
            inner = None if value.items is None else resolve(value.items)
            rules = MergeRules(inner) if inner is not None and inner.type == "object" else None
            return ListRule("merge" in strategies, declared.patch_merge_key, rules)
        return MergeRules(value) if value.type == "object" else None


class HasSchema(Protocol):
    """A resource whose fields are described: by its own schema, or by the published one of its kind."""

    @property
    def schema(self) -> Schema | None:
        """The schema of a kind that users defined."""

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""

    @property
    def kind(self) -> str:
        """Kind, such as `Pod`."""


def merge_rules(resource: HasSchema) -> MergeRules:
    """The strategic merge rules of a kind's objects."""
    return MergeRules(of(resource))


def of(resource: HasSchema) -> Schema:
    """The schema of a kind's objects. A kind that has none raises LookupError."""
    if resource.schema is not None:
        return resource.schema
    return definition(definition_name(resource.api_version, resource.kind))


def definition_name(api_version: str, kind: str) -> str:
    """The published definition of a built-in kind. One that has none raises LookupError."""
    name = _kinds().get(f"{api_version} {kind}")
    if name is None:
        raise LookupError(f"there is no schema of {kind} in {api_version}")
    return name


def kinds_of(api_version: str) -> tuple[str, ...]:
    """The built-in kinds of an API version that have a published definition."""
    return tuple(kind for version, _, kind in (one.partition(" ") for one in _kinds()) if version == api_version)


def definition(name: str) -> Schema:
    """A published definition by its full name, such as `io.k8s.api.core.v1.PodSpec`. An unknown one raises KeyError."""
    return structures(name.rpartition(".")[0])[name]


_WRITTEN_EMPTY = frozenset(
    {
        ("io.k8s.api.authentication.v1.TokenRequestSpec", "audiences"),
        ("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "currentMetrics"),
        ("io.k8s.api.core.v1.ContainerImage", "names"),
        ("io.k8s.api.core.v1.ProjectedVolumeSource", "sources"),
        ("io.k8s.api.discovery.v1.EndpointSlice", "endpoints"),
        ("io.k8s.api.discovery.v1.EndpointSlice", "ports"),
        ("io.k8s.api.rbac.v1.ClusterRole", "rules"),
        ("io.k8s.api.rbac.v1.Role", "rules"),
    }
)
"""Lists that are optional and have no `omitempty` all the same (k8s.io/api `types.go`)."""


def omits_empty_list(owner: str, name: str) -> bool:
    """Whether Go leaves an empty list out, by the definition that has the field and the field's name."""
    return name not in definition(owner).required and (owner, name) not in _WRITTEN_EMPTY


def resolve(schema: Schema) -> Schema:
    """The schema itself, or the definition that it refers to."""
    return definition(schema.ref) if schema.ref else schema


def at(resource: HasSchema, pointer: str) -> Schema | None:
    """The schema at a JSON pointer (RFC 6901) into a kind's objects; list positions are any number or `-`."""
    found: Schema | None = of(resource)
    for token in pointer.split("/")[1:]:
        if found is None:
            return None
        if found.type == "array":
            found = None if found.items is None else resolve(found.items)
        else:
            found = found.child(token.replace("~1", "/").replace("~0", "~"))
    return found


@functools.cache
def structures(package: str) -> dict[str, Schema]:
    """The definitions of one Go package by full name."""
    return msgspec.json.decode(_member(f"structure/{package}.json"), type=dict[str, Schema])


def published(package: str) -> dict[str, dict[str, Any]]:
    """The definitions of one Go package as they were published, without descriptions; decoded again for each call."""
    return msgspec.json.decode(_member(f"structure/{package}.json"), type=dict[str, dict[str, Any]])


def descriptions(package: str) -> dict[str, dict[str, str]]:
    """The texts of one Go package's definitions: by definition, then property (its own text under the empty name)."""
    return msgspec.json.decode(_member(f"descriptions/{package}.json"), type=dict[str, dict[str, str]])


@functools.cache
def fingerprint() -> str:
    """A text that changes when the packed schemas change."""
    with _data().open("rb") as file, zipfile.ZipFile(file) as archive:
        return "-".join(f"{member.CRC:08x}" for member in archive.infolist())


@functools.cache
def _kinds() -> dict[str, str]:
    return msgspec.json.decode(_member("kinds.json"), type=dict[str, str])


def _member(name: str) -> bytes:
    with _data().open("rb") as file, zipfile.ZipFile(file) as archive:
        return archive.read(name)


def _data() -> Traversable:
    return package_data.files("podwire.apiserver").joinpath("data/schemas.zip")

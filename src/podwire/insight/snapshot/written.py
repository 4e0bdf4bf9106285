"""One written object as the API would store it: name, namespace, labels of a namespace; decoded. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from podwire.insight.sources.manifests import Manifest, ManifestError, Path
from podwire.kube.meta import NamespacedName

NAME_LABEL = "kubernetes.io/metadata.name"
CLUSTER_KINDS = frozenset(
    ("GatewayClass", "IngressClass", "Namespace", "Node", "ClusterNetworkPolicy", "EgressGateway")
)
ValueT = TypeVar("ValueT")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class _Labelled(msgspec.Struct, frozen=True):
    labels: dict[str, str] | None = None


class _Applied(msgspec.Struct, frozen=True):
    metadata: _Labelled = _Labelled()


def written_annotations(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations without the copy of the object that `kubectl apply` keeps in one."""
    return {key: text for key, text in (metadata.get("annotations") or {}).items() if key != _APPLIED}


def applied_labels(annotations: Mapping[str, str]) -> frozenset[str]:
    """Return the keys of the labels that `kubectl apply` gave an object, and would take away."""
    try:
        return frozenset(msgspec.json.decode(annotations.get(_APPLIED, "{}"), type=_Applied).metadata.labels or ())
    except msgspec.DecodeError:
        return frozenset()


def completed(one: Manifest, namespace: str = "default") -> dict[str, Any]:
    """Return the object with its namespace, the labels of a namespace, and a Secret's texts as data.

    Raises ManifestError.
    """
    value = dict(one.value)
    metadata = value.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise ManifestError(f"{one.field(('metadata',))}: {one.kind[1]}: metadata must be a mapping")
    metadata = dict(metadata)
    name = metadata.get("name") or metadata.get("generateName")
    if not name or not isinstance(name, str):
        raise ManifestError(f"{one.place}: {one.kind[1]} needs metadata.name, a text: add it")
    metadata["name"] = name
    if one.kind[1] not in CLUSTER_KINDS:
        metadata["namespace"] = metadata.get("namespace") or namespace
    if one.kind == ("", "Namespace"):
        metadata["labels"] = {NAME_LABEL: name, **(metadata.get("labels") or {})}
    value["metadata"] = metadata
    if one.kind == ("", "Secret"):
        texts = value.get("stringData") or {}
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        value["data"] = {**(value.get("data") or {}), **encoded}
    return value


def key_of(value: Mapping[str, Any]) -> NamespacedName:
    """Return the name of a completed object."""
    metadata = value["metadata"]
    return NamespacedName(metadata.get("namespace", ""), metadata["name"])


def decoded(value: Any, type_: type[ValueT], one: Manifest, within: Path = ()) -> ValueT:
    """Return a part of an object as a value of a type; `within` is its path. Raises ManifestError with its line."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        pass  # a field without a value is none for the API
    try:
        return msgspec.convert(_without_absent(value), type_)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        place = one.field((*within, *_path(path.rstrip("`"))))
        name = one.value.get("metadata", {}).get("name", "")
        where = f" ({path.strip('.`')})" if path else ""
        if text.startswith("Expected `str`, got `") and text.endswith(("bool`", "int`", "float`")):
            text = f"{text}: write it in quotes"
        raise ManifestError(f"{place}: {one.kind[1]} {name}: {text}{where}") from None


def _path(text: str) -> Path:
    """Return the parts of msgspec's path: `.spec.ports[0]`; `[...]` is some value of a mapping."""
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", text.partition("[...]")[0])
    return tuple(name or int(number) for name, number in parts)


def _without_absent(value: Any) -> Any:
    """Leave out fields without a value, as the API does."""
    if isinstance(value, Mapping):
        return {str(key): _without_absent(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_absent(one) for one in value]
    return value

"""Objects that a conversion makes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.mesh.authorization.model import EVERYWHERE
from podwire.mesh.kinds.backend_policy import GROUP

Object = dict[str, Any]
ISTIO_ROOT = "istio-system"
"""Istio's namespace whose policies are for all namespaces, by default."""


class Converted(msgspec.Struct, frozen=True):
    """The objects, what of the written one they do not have, and what is other than written; each with its path."""

    objects: tuple[Object, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    differs: tuple[tuple[str, str], ...] = ()


class ConversionError(Exception):
    """A value that has no counterpart. The text is the reason, and what to do."""


def made(kind: str, source: Mapping[str, Any], spec: Object, *, suffix: str = "") -> Object:
    """Return an object of this mesh with the name of the written one."""
    return _object(f"{GROUP}/v1alpha1", kind, source, spec, suffix)


def made_route(source: Mapping[str, Any], spec: Object, *, suffix: str = "") -> Object:
    """Return an HTTPRoute with the name of the written object."""
    return _object("gateway.networking.k8s.io/v1", "HTTPRoute", source, spec, suffix)


def namespace_of(source: Mapping[str, Any]) -> str:
    """Return the namespace in which an object has the same effect here."""
    namespace = str(source.get("metadata", {}).get("namespace") or "default")
    return EVERYWHERE if namespace == ISTIO_ROOT else namespace


def selector(spec: Mapping[str, Any]) -> Object:
    """Return the selector of pods; nothing where all are selected."""
    labels = (spec.get("selector") or {}).get("matchLabels")
    return {"selector": {"matchLabels": dict(labels)}} if labels else {}


def _object(api_version: str, kind: str, source: Mapping[str, Any], spec: Object, suffix: str) -> Object:
    metadata = source.get("metadata", {})
    name = f"{metadata.get('name', '')}{suffix}"
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace_of(source)},
        "spec": spec,
    }

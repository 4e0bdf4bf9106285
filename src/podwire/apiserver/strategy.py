"""What the server sets itself before an object is validated. Source: k8s.io/kubernetes `pkg/registry/*/strategy.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.resources import Resource

Object = dict[str, Any]


def before_create(resource: Resource, obj: Object) -> None:
    """Complete a new object in place, after its metadata (uid, name) stands: first status, own finalizers, selectors.

    A kind with a status subresource loses the status that the client sent.
    """


def before_update(resource: Resource, obj: Object, old: Object) -> None:
    """Complete a changed object in place: what a client left out and may not change is taken from the old object."""

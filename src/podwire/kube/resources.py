"""What a server serves, by its plain discovery documents: one Kind for each resource, metadata only.

Source: kubernetes.io "API discovery" (unaggregated form); k8s.io/apimachinery `meta/v1` APIResourceList, APIGroupList.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.kube.client import Client

COLLECTED = frozenset({"list", "watch", "delete"})
"""The verbs without which nobody can follow and remove the objects of a resource."""


class Resource(Struct, frozen=True):
    """One line of an APIResourceList. A name with a slash is a subresource."""

    name: str
    kind: str
    namespaced: bool = False
    verbs: tuple[str, ...] = ()


class ResourceList(Struct, frozen=True):
    """All resources of one group and version."""

    group_version: str = "v1"
    resources: tuple[Resource, ...] = ()


class GroupVersion(Struct, frozen=True):
    """`groupVersion` is the text of apiVersion, such as apps/v1."""

    group_version: str


class Group(Struct, frozen=True):
    """A group and the version that the server prefers; the others hold the same objects."""

    name: str
    preferred_version: GroupVersion


class GroupList(Struct, frozen=True):
    """All named groups."""

    groups: tuple[Group, ...] = ()


def kinds(document: ResourceList) -> Iterator[Kind[Object]]:
    """The resources of a document that can be followed and deleted."""
    for resource in document.resources:
        if "/" not in resource.name and set(resource.verbs) >= COLLECTED:
            yield Kind(document.group_version, resource.kind, resource.name, Object, resource.namespaced)


async def discover(client: Client) -> tuple[Kind[Object], ...]:
    """Every resource of the server that can be followed and deleted, each in its preferred version."""
    groups = msgspec.json.decode(await client.fetch("/apis"), type=GroupList).groups
    paths = ["/api/v1", *(f"/apis/{group.preferred_version.group_version}" for group in groups)]
    bodies = await asyncio.gather(*(client.fetch(path) for path in paths))
    return tuple(kind for body in bodies for kind in kinds(msgspec.json.decode(body, type=ResourceList)))

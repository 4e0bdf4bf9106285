"""What a server serves, by its plain discovery documents: one Kind for each resource, metadata only.

Source: kubernetes.io "API discovery" (unaggregated form); k8s.io/apimachinery `meta/v1` APIResourceList, APIGroupList.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kube.client import ApiError
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """A group and its versions; which of them have a kind differs from kind to kind."""

    name: str
    preferred_version: GroupVersion
    versions: tuple[GroupVersion, ...] = ()

    @property
    def by_preference(self) -> tuple[GroupVersion, ...]:
        """The preferred version, then the others."""
        return tuple(dict.fromkeys((self.preferred_version, *self.versions)))


class GroupList(Struct, frozen=True):
    """All named groups."""

    groups: tuple[Group, ...] = ()


class Fetching(Protocol):
    """What reads a document of a server by its path, as a Client does."""

    async def fetch(self, path: str) -> bytes:
        """The body; raises ApiError."""
        ...


def kinds(document: ResourceList) -> Iterator[Kind[Object]]:
    """The resources of a document that can be followed and deleted."""
    for resource in document.resources:
        if "/" not in resource.name and set(resource.verbs) >= COLLECTED:
            yield Kind(document.group_version, resource.kind, resource.name, Object, resource.namespaced)


async def discover(client: Fetching) -> tuple[Kind[Object], ...]:
    """Every resource of the server that can be followed and deleted, each in the first version that has it."""
    groups = msgspec.json.decode(await client.fetch("/apis"), type=GroupList).groups
    paths = [f"/apis/{version.group_version}" for group in groups for version in group.by_preference]
    documents = await asyncio.gather(*(_resources(client, path) for path in ("/api/v1", *paths)))
    found: dict[tuple[str, str], Kind[Object]] = {}
    for document in documents:
        for kind in kinds(document):
            found.setdefault((kind.api_version.rpartition("/")[0], kind.resource), kind)
    return tuple(found.values())


async def _resources(client: Fetching, path: str) -> ResourceList:
    """One document; empty where the group went since it was listed, as groups of users do."""
    try:
        return msgspec.json.decode(await client.fetch(path), type=ResourceList)
    except ApiError as error:
        if error.code != 404:
            raise
        return ResourceList()

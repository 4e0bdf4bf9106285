"""API discovery: one Kind for each resource that a server serves, metadata only.

Source: kubernetes.io "API discovery" (unaggregated form); k8s.io/apimachinery `meta/v1` APIResourceList, APIGroupList.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kube.client import ApiError, read_response
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLLECTED = frozenset({"list", "watch", "delete"})
"""The verbs that are needed to follow and delete the objects of a resource."""


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


class Discovered(msgspec.Struct, frozen=True):
    """Kinds of a server; `errors` has the reason for each group and version that could not be read."""

    kinds: tuple[Kind[Object], ...]
    errors: Mapping[str, str]


class Fetching(Protocol):
    """The part of a Client that reads a document by its path."""

    async def fetch(self, path: str) -> bytes:
        """The body; raises ApiError."""
        ...


def kinds(document: ResourceList) -> Iterator[Kind[Object]]:
    """The resources of a document that can be followed and deleted."""
    for resource in document.resources:
        if "/" not in resource.name and set(resource.verbs) >= COLLECTED:
            yield Kind(document.group_version, resource.kind, resource.name, Object, resource.namespaced)


async def discover(client: Fetching) -> Discovered:
    """Return every resource of the server that can be followed and deleted, each in the first version that has it.

    Raises what reading the list of groups raises; a group whose document cannot be read is in `errors`.
    """
    groups = read_response("/apis", await client.fetch("/apis"), GroupList).groups
    versions = ("v1", *(version.group_version for group in groups for version in group.by_preference))
    documents = await asyncio.gather(*(_resources(client, version) for version in versions))
    found: dict[tuple[str, str], Kind[Object]] = {}
    errors = {}
    for version, document in zip(versions, documents, strict=True):
        if isinstance(document, str):
            errors[version] = document
            continue
        for kind in kinds(document):
            found.setdefault((kind.api_version.rpartition("/")[0], kind.resource), kind)
    return Discovered(tuple(found.values()), errors)


async def _resources(client: Fetching, group_version: str) -> ResourceList | str:
    """Return one document, or why it cannot be read; it is empty where the group was removed since the list."""
    root = "/apis/" if "/" in group_version else "/api/"
    try:
        return read_response(root + group_version, await client.fetch(root + group_version), ResourceList)
    except ApiError as error:
        return ResourceList() if error.code == 404 else str(error)

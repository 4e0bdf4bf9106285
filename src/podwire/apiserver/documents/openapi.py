"""OpenAPI v3 as kubectl reads it: an index, and one document for each group-version; and one document of version 2.

Source: kubernetes.io "The Kubernetes API", OpenAPI v3; kubectl `explain` and `--validate` decide by it what the server
can do. A document changes only with its hash, so clients may keep it as long as they like.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.documents import openapi_paths, openapi_schemas, openapi_v2
from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Registry, Resource

VERSION = "v1.37.0"
"""The Kubernetes release whose behaviour is served."""


class Documents:
    """The documents of a registry, made on first use and again when the registry changes.

    `server_side_apply`: whether PATCH operations offer application/apply-patch+yaml. Documents are kept compressed:
    the core group's is 0.5 MB of text, and requested rarely.
    """

    def __init__(self, registry: Registry, *, server_side_apply: bool = False) -> None:
        self._registry = registry
        self._server_side_apply = server_side_apply
        self._generation = -1
        self._served: dict[str, tuple[Resource, ...]] = {}
        self._documents: dict[str, bytes] = {}
        self._version_2: bytes | None = None
        self._etags: dict[str, str] = {}

    def index(self) -> bytes:
        """The JSON of GET /openapi/v3."""
        self._refresh()
        paths = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.etag(path)}"} for path in sorted(self._served)
        }
        return msgspec.json.encode({"paths": paths})

    def etag(self, group_version: str) -> str:
        """The document's hash, as it is in the index; empty where it is not served."""
        self._refresh()
        served = self._served.get(group_version)
        if served is None:
            return ""
        if group_version not in self._etags:
            content = f"{schema.fingerprint()} {self._server_side_apply} {served!r}"
            self._etags[group_version] = hashlib.sha256(content.encode()).hexdigest().upper()
        return self._etags[group_version]

    def document(self, group_version: str) -> bytes | None:
        """The JSON of GET /openapi/v3/<group_version> (`api/v1`, `apis/apps/v1`); None where it is not served."""
        self._refresh()
        served = self._served.get(group_version)
        if served is None:
            return None
        if group_version not in self._documents:
            text = msgspec.json.encode(document(served, server_side_apply=self._server_side_apply))
            self._documents[group_version] = zlib.compress(text)
        return zlib.decompress(self._documents[group_version])

    def version_2(self) -> bytes:
        """The JSON of GET /openapi/v2."""
        self._refresh()
        if self._version_2 is None:
            served = (resource for resources in self._served.values() for resource in resources)
            self._version_2 = zlib.compress(msgspec.json.encode(openapi_v2.document(served)))
        return zlib.decompress(self._version_2)

    def _refresh(self) -> None:
        if self._generation != self._registry.generation:
            self._generation = self._registry.generation
            self._served = self._registry.group_versions()
            self._documents.clear()
            self._version_2 = None
            self._etags.clear()


def document(served: tuple[Resource, ...], *, server_side_apply: bool) -> dict[str, Any]:
    """The OpenAPI v3 document of the resources of one group-version."""
    paths: dict[str, Any] = {}
    roots: set[str] = set()
    own: dict[str, Any] = {}
    for resource in served:
        paths.update(openapi_paths.paths(resource, server_side_apply=server_side_apply))
        roots.update(openapi_paths.definitions(resource))
        if resource.custom is not None:
            own.update(openapi_schemas.of_user(resource, resource.custom.published()))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {**openapi_schemas.closure(roots), **own}},
    }

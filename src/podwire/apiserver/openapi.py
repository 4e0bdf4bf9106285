"""OpenAPI v3 as kubectl reads it: an index, and one document for each group-version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.apiserver.resources import Registry


class Documents:
    """The documents of a registry, made on first use and again when the registry changes.

    `server_side_apply` says whether PATCH operations offer application/apply-patch+yaml.
    """

    def __init__(self, registry: Registry, *, server_side_apply: bool = False) -> None:
        self._registry = registry
        self._server_side_apply = server_side_apply

    def index(self) -> bytes:
        """The JSON of GET /openapi/v3."""
        return b"{}"

    def document(self, group_version: str) -> bytes | None:
        """The JSON of GET /openapi/v3/<group_version> (`api/v1`, `apis/apps/v1`); None where it is not served."""
        return None

    def etag(self, group_version: str) -> str:
        """The document's hash, as it stands in the index; empty where it is not served."""
        return ""

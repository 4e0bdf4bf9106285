"""Write the objects that this controller owns: server-side apply, only when they differ from what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.kube.client import ApiError
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

MANAGER = "podwire-gateway-controller"

_Name = tuple[str, NamespacedName]


class OwnedObjects:
    """Remembers what was applied, and the version of the object that it became."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._applied: dict[_Name, tuple[Mapping[str, Any], str]] = {}

    async def apply(
        self, kind: Kind[Any], key: NamespacedName, body: Mapping[str, Any], current: Object | None
    ) -> Object | None:
        """Make the object be so. `current` is the known one. Returns what the server has now, None without a write.

        Raises ApiError.
        """
        name = (kind.resource, key)
        known, version = self._applied.get(name, ({}, ""))
        if current is not None and body == known and current.metadata.resource_version == version:
            return None
        written: Object = await self._client.apply(kind, key, body, MANAGER)
        self._applied[name] = (body, written.metadata.resource_version)
        return written

    def deleted(self, kind: Kind[Any], key: NamespacedName) -> None:
        """Release what is remembered of an object that was deleted."""
        self._applied.pop((kind.resource, key), None)

    async def delete(self, kind: Kind[Any], item: Object) -> None:
        """Delete the object, unless another one has its name by now. No error where it is gone. Raises ApiError."""
        self.deleted(kind, item.key)
        try:
            await self._client.delete(kind, item.key, uid=item.metadata.uid)
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise

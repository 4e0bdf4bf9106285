"""Write the status of objects that others write too: by the version that was read, again after a conflict.

A list such as `conditions` is replaced whole by a merge patch, so a status that was worked out from an old state could
remove what another writer has added: each patch names the version it is made for. Source: k8s.io/client-go
`util/retry`; kubernetes.io "API concepts", resource versions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from podwire.kube.backoff import Backoff
from podwire.kube.client import ApiError
from podwire.kube.meta import Object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

TRIES = 5
FIRST_RETRY_SECONDS = 0.01


class StatusWriter(Generic[ObjectT]):
    """Writes the status of one kind."""

    def __init__(self, client: Client, kind: Kind[ObjectT]) -> None:
        self._client = client
        self._kind = kind

    async def write(self, item: ObjectT, desired: Callable[[ObjectT], Mapping[str, Any]]) -> ObjectT | None:
        """Make the status what `desired` returns for the object: fields of its status to merge, empty for no change.

        Returns the object as it is then; None where it is gone, or another one has its name. After a conflict the
        object is read and `desired` is called again. Raises ApiError after five conflicts and for any other refusal.
        """
        uid = item.metadata.uid
        backoff = Backoff(FIRST_RETRY_SECONDS, 1.0)
        current = item
        for tries_left in reversed(range(TRIES)):
            status = desired(current)
            if not status:
                return current
            try:
                return await self._patch(current, status)
            except ApiError as error:
                if error.reason == "NotFound":
                    return None
                if error.reason != "Conflict" or not tries_left:
                    raise
            await asyncio.sleep(backoff.step())
            found = await self._read(current)
            if found is None or found.metadata.uid != uid:
                return None
            current = found
        raise AssertionError("the last try returns or raises")

    async def _patch(self, item: ObjectT, status: Mapping[str, Any]) -> ObjectT:
        precondition = {"uid": item.metadata.uid, "resourceVersion": item.metadata.resource_version}
        return await self._client.patch(self._kind, item.key, {"metadata": precondition, "status": status}, "status")

    async def _read(self, item: ObjectT) -> ObjectT | None:
        try:
            return await self._client.get(self._kind, item.key)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return None

"""Deletes one object of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from podwire.kube.client import ApiError
from podwire.kube.meta import Object

if TYPE_CHECKING:
    from podwire.kube.cache import Store
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

ALREADY_GONE = frozenset({"NotFound", "Conflict"})
"""Reasons that mean that no object of this name and uid exists."""


async def delete(
    client: Client, kind: Kind[ObjectT], store: Store[ObjectT], item: ObjectT, *, grace_seconds: int | None = None
) -> None:
    """Delete exactly this object, which may be gone already; the store then counts it as being deleted."""
    try:
        await client.delete(kind, item.key, uid=item.metadata.uid, grace_seconds=grace_seconds)
    except ApiError as error:
        if error.reason not in ALREADY_GONE:
            raise
    store.deleted(item)

"""Small objects and stores for the tests of the API server."""

from __future__ import annotations

from typing import Any

from podwire.apiserver.storage.revisions import Key, Stored
from podwire.apiserver.storage.store import Store
from podwire.apiserver.storage.transaction import Transaction

Object = dict[str, Any]


def obj(name: str, namespace: str = "ns", *, labels: dict[str, str] | None = None, **parts: Any) -> Object:
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata, **parts}


def key(name: str, namespace: str = "ns", storage: str = "things") -> Key:
    return Key(storage, namespace, name)


async def put(store: Store, thing: Object, storage: str = "things") -> Stored:
    where = Key(storage, thing["metadata"]["namespace"], thing["metadata"]["name"])

    def work(transaction: Transaction) -> Stored:
        return transaction.put(where, thing)

    return await store.transact(work)


async def remove(store: Store, name: str, namespace: str = "ns", storage: str = "things") -> Stored:
    def work(transaction: Transaction) -> Stored:
        return transaction.remove(Key(storage, namespace, name))

    return await store.transact(work)

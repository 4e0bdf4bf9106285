"""Secrets and ConfigMaps that Gateways, their policies and Ingresses refer to, read by name from an API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import CONFIG_MAPS, SECRETS, Kind
from podwire.kube.meta import NamespacedName


class Referenced(msgspec.Struct, frozen=True):
    """Those that exist, each with its kind, and what this account may not read."""

    found: tuple[tuple[Kind[Any], Any], ...] = ()
    unreadable: tuple[str, ...] = ()


async def read(client: Client, edge: Objects, ingresses: Iterable[Ingress]) -> Referenced:
    """Read them. Raises ApiError and aiohttp's ClientError."""
    named, found, unreadable = _named(ingresses), [], []
    for kind in (SECRETS, CONFIG_MAPS):
        keys = sorted({*edge.referenced(kind.kind), *named[kind.kind]})
        answers = await asyncio.gather(*(_one(client, kind, key) for key in keys), return_exceptions=True)
        for key, one in zip(keys, answers, strict=True):
            if isinstance(one, ApiError) and one.code == HTTPStatus.FORBIDDEN:
                unreadable.append(f"{kind.kind} {key}")
            elif isinstance(one, BaseException):
                raise one
            elif one is not None:
                found.append((kind, one))
    return Referenced(tuple(found), tuple(unreadable))


def _named(items: Iterable[Ingress]) -> dict[str, frozenset[NamespacedName]]:
    """Return the Secrets and ConfigMaps that Ingresses of any class name."""
    held = Ingresses((), without_class=True)
    for one in items:
        held.put(msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, ingress_class_name="")))
    return {kind.kind: held.referenced(kind.kind) for kind in (SECRETS, CONFIG_MAPS)}


async def _one(client: Client, kind: Kind[Any], key: NamespacedName) -> Any:
    try:
        return await client.get(kind, key)
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None

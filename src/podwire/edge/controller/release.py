"""Which channel and release of the Gateway API a server has: fields of another channel are lost there."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.client import ApiError
from podwire.kube.gateway_api import EXPERIMENTAL_GROUP, GROUP
from podwire.kube.meta import Object

if TYPE_CHECKING:
    from podwire.kube.api_discovery import Fetching

ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})
DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gatewayclasses.{GROUP}"
_RELEASE = f"{GROUP}/bundle-version"


async def is_experimental(client: Fetching) -> bool:
    """Whether the experimental channel is served: only that one has kinds of the group for experiments.

    Raises ApiError where the server gives no answer.
    """
    return await _found(client, f"/apis/{EXPERIMENTAL_GROUP}") is not None


async def release(client: Fetching) -> str | None:
    """Return the release of GatewayClass's definition, which those of all kinds share; empty: it names none.

    None: it cannot be read. Raises ApiError where the server gives no answer.
    """
    body = await _found(client, DEFINITION)
    return None if body is None else msgspec.json.decode(body, type=Object).metadata.annotations.get(_RELEASE, "")


async def _found(client: Fetching, path: str) -> bytes | None:
    try:
        return await client.fetch(path)
    except ApiError as error:
        if error.code in ABSENT:
            return None
        raise

"""Which channel of the Gateway API a server has: fields of the other one are lost there."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from podwire.kube.client import ApiError
from podwire.kube.gateway_api import EXPERIMENTAL_GROUP

if TYPE_CHECKING:
    from podwire.kube.api_discovery import Fetching

ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})


async def is_experimental(client: Fetching) -> bool:
    """Whether the experimental channel is served: only that one has kinds of the group for experiments.

    Raises ApiError where the server gives no answer.
    """
    try:
        await client.fetch(f"/apis/{EXPERIMENTAL_GROUP}")
    except ApiError as error:
        if error.code in ABSENT:
            return False
        raise
    return True

"""The GatewayClass of an installation: created once where no class is this controller's."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import CLASSES, CONTROLLER_NAME, GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.edge.gateway.kinds.gateway_class import GatewayClass
    from podwire.kube.client import Client

log = logging.getLogger(__name__)

NAME = CLASSES[0]


def gateway_class() -> dict[str, Any]:
    """Return the GatewayClass."""
    labels = {"app.kubernetes.io/name": "podwire", "app.kubernetes.io/component": "gateway-controller"}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "GatewayClass",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"controllerName": CONTROLLER_NAME, "description": "Envoys of podwire"},
    }


async def provide(client: Client, known: Iterable[GatewayClass]) -> bool:
    """Create it where none of the known classes is this controller's; return whether there is one now.

    False: the kind is not served. A class of this name that is another controller's stays. Raises ApiError.
    """
    if any(one.spec.controller_name == CONTROLLER_NAME for one in known):
        return True
    try:
        await client.create(GATEWAY_CLASSES, gateway_class())
    except ApiError as error:
        if error.reason == "AlreadyExists":
            log.warning("GatewayClass %s is of another controller: create one with %s", NAME, CONTROLLER_NAME)
            return True
        if error.code == HTTPStatus.NOT_FOUND:
            return False
        raise
    log.info("GatewayClass %s created", NAME)
    return True

"""The classes of an installation: each is created once where no class of its kind is this controller's."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.ingress.kinds import INGRESS_CLASSES
from podwire.kube import ingress
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import CLASSES, CONTROLLER_NAME, GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.edge.gateway.kinds.gateway_class import GatewayClass
    from podwire.edge.ingress.kinds import IngressClass
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

log = logging.getLogger(__name__)

NAME = CLASSES[0]
_LABELS = {"app.kubernetes.io/name": "podwire", "app.kubernetes.io/component": "gateway-controller"}


def gateway_class() -> dict[str, Any]:
    """Return the GatewayClass."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "GatewayClass",
        "metadata": {"name": NAME, "labels": _LABELS},
        "spec": {"controllerName": CONTROLLER_NAME, "description": "Envoys of podwire"},
    }


def ingress_class() -> dict[str, Any]:
    """Return the IngressClass."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": NAME, "labels": _LABELS},
        "spec": {"controller": ingress.CONTROLLER_NAME},
    }


async def provide(client: Client, known: Iterable[GatewayClass]) -> bool:
    """Create the GatewayClass where none of the known ones is this controller's; return whether there is one now.

    False: the kind is not served. A class of this name that is another controller's stays. Raises ApiError.
    """
    if any(one.spec.controller_name == CONTROLLER_NAME for one in known):
        return True
    return await _create(client, GATEWAY_CLASSES, gateway_class(), CONTROLLER_NAME)


async def provide_ingress_class(client: Client, known: Iterable[IngressClass]) -> bool:
    """Do the same with the IngressClass. Raises ApiError."""
    if any(one.spec.controller == ingress.CONTROLLER_NAME for one in known):
        return True
    return await _create(client, INGRESS_CLASSES, ingress_class(), ingress.CONTROLLER_NAME)


async def _create(client: Client, kind: Kind[Any], body: dict[str, Any], controller: str) -> bool:
    try:
        await client.create(kind, body)
    except ApiError as error:
        if error.reason == "AlreadyExists":
            log.warning("%s %s is of another controller: create one with %s", kind.kind, NAME, controller)
            return True
        if error.code == HTTPStatus.NOT_FOUND:
            return False
        raise
    log.info("%s %s created", kind.kind, NAME)
    return True

"""The class of an installation, where one of its name is another controller's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from podwire.edge.controller import own_class
from podwire.edge.gateway.kinds.gateway_class import GatewayClass, GatewayClassSpec
from podwire.edge.ingress.kinds import IngressClass, IngressClassSpec
from podwire.kube import ingress
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import ObjectMeta


class Server:
    """Answers each creation by this error; by none where it is None."""

    def __init__(self, error: ApiError | None = None) -> None:
        self.error = error
        self.created: list[Mapping[str, Any]] = []

    async def create(self, _: object, body: Mapping[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.created.append(body)


def provided(server: Any, *known: GatewayClass) -> bool:
    return asyncio.run(own_class.provide(server, known))


def of(controller: str) -> GatewayClass:
    return GatewayClass(metadata=ObjectMeta(name="a"), spec=GatewayClassSpec(controller_name=controller))


def test_it_is_created_beside_classes_of_others_only() -> None:
    server = Server()
    assert provided(server, of("example.org/other"))
    assert [one["spec"]["controllerName"] for one in server.created] == [CONTROLLER_NAME]
    assert provided(server, of(CONTROLLER_NAME))
    assert len(server.created) == 1


def test_a_class_of_ingresses_is_created_too() -> None:
    server = Server()
    client: Any = server
    ours = IngressClass(spec=IngressClassSpec(controller=ingress.CONTROLLER_NAME))
    assert asyncio.run(own_class.provide_ingress_class(client, (ours,)))
    assert not server.created
    assert asyncio.run(own_class.provide_ingress_class(client, (IngressClass(),)))
    assert [one["kind"] for one in server.created] == ["IngressClass"]


def test_a_class_of_this_name_stays_as_it_is() -> None:
    assert provided(Server(ApiError(409, "AlreadyExists", "")))


def test_a_kind_that_is_not_served_is_looked_for_again() -> None:
    assert not provided(Server(ApiError(404, "Unknown", "404 page not found")))
    with pytest.raises(ApiError):
        provided(Server(ApiError(403, "Forbidden", "")))

"""Random routes and requests: the rule that answers is the one that the specification names."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.envoy import rows
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model import choice
from podwire.edge.model.choice import Request
from podwire.edge.model.routes import VirtualHost
from podwire.edge.xds.resource import VIRTUAL_HOST
from podwire.insight.url.served import served
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from tests.edge.gateway import random_routes
from tests.edge.gateway.specified_choice import Object, Rule, chosen

TYPES = {one.kind: one.type for one in KINDS}
GATEWAYS, REQUESTS = 150, 40


CLASS: Object = {
    "kind": "GatewayClass",
    "metadata": {"name": "edge"},
    "spec": {"controllerName": CONTROLLER_NAME},
}


def put(objects: Objects, one: Object) -> tuple[Owner, ...]:
    return objects.put(one["kind"], msgspec.convert(one, TYPES[one["kind"]]))


def hosts_of(gateway: Object, routes: list[Object]) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts of all listeners, which have one route table."""
    objects = Objects()
    for one in (CLASS, gateway, *routes):
        put(objects, one)
    (found,) = objects.gateways.values()
    assert isinstance(found, Gateway)
    return tuple(served(found, objects).hosts.values())


def taken(hosts: tuple[VirtualHost, ...], request: Request) -> Rule | None:
    """Return the rule that the model names."""
    host = choice.virtual_host_of(hosts, hosts[0].table, request.host)
    for one in choice.tried(host, request) if host is not None else ():
        if one.is_taken:
            name = one.route.name
            return Rule(name.kind, name.namespace, name.name, name.rule)
    return None


def described(*values: Any) -> str:
    return "\n".join(json.dumps(one) if isinstance(one, dict) else str(one) for one in values)


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_the_model_takes_the_rule_that_the_specification_names(kind: str) -> None:
    dice = random.Random(kind)
    answers = {True: 0, False: 0}
    for _ in range(GATEWAYS):
        gateway, routes = random_routes.gateway(dice), random_routes.routes(dice, kind)
        hosts = hosts_of(gateway, routes)
        for _ in range(REQUESTS):
            request = random_routes.request(dice, kind)
            expected = chosen(gateway, routes, request)
            assert taken(hosts, request) == expected, described(request, gateway, *routes)
            answers[expected is not None] += 1
    assert min(answers.values()) > GATEWAYS * REQUESTS / 10, "both outcomes are common"


def test_hosts_are_the_same_whatever_came_first_and_went() -> None:
    dice = random.Random("order")
    for _ in range(40):
        kind = dice.choice(("HTTPRoute", "GRPCRoute"))
        gateway, routes = random_routes.gateway(dice), random_routes.routes(dice, kind)
        objects, ports = Objects(), ProxyPorts()
        translation = Translation(objects, dict.fromkeys(("edge",), ports).__getitem__)
        steps = [gateway, *routes]
        dice.shuffle(steps)
        put(objects, CLASS)
        for one in steps:
            translation.rows_of(put(objects, one))
        for gone in routes[2:3]:
            key = NamespacedName(gone["metadata"]["namespace"], gone["metadata"]["name"])
            translation.rows_of(objects.remove(kind, key))
        fresh = hosts_of(gateway, [one for one in routes if one not in routes[2:3]])
        expected = {one.name: one.version for host in fresh for one in rows.resources(host)}
        found = translation.resources("edge")
        assert {one.name: one.version for one in found if one.type_url == VIRTUAL_HOST} == expected

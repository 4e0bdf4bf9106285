"""Random routes in a real Envoy: a request gets the rule that Gateway API's specification names."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from podwire.edge.model.routes import Answer, VirtualHost
from tests.edge.envoy.test_route_choice import envoy, taken_by_envoy
from tests.edge.gateway import random_routes
from tests.edge.gateway.specified_choice import Object, chosen
from tests.edge.gateway.test_precedence import hosts_of

GATEWAYS, REQUESTS = 40, 30


def within(hostname: str, number: int) -> str:
    """Return a hostname below a domain of this Gateway alone, as all are in one route table."""
    return f"*.g{number}" if hostname == "*" else f"{hostname}.g{number}"


def answering(host: VirtualHost, number: int) -> VirtualHost:
    """Return the host with routes that answer with the object and rule that they come from."""
    routes = tuple(
        msgspec.structs.replace(one, action=Answer(200, f"{one.name.namespace}/{one.name.name}/{one.name.rule}"))
        for one in host.routes
    )
    return msgspec.structs.replace(host, domain=within(host.domain, number), routes=routes, table="t")


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
async def test_envoy_takes_the_rule_that_the_specification_names(kind: str, tmp_path: Path) -> None:
    dice = random.Random(f"envoy {kind}")
    worlds: list[tuple[Object, list[Object]]] = [
        (random_routes.gateway(dice), random_routes.routes(dice, kind)) for _ in range(GATEWAYS)
    ]
    hosts = [answering(host, number) for number, world in enumerate(worlds) for host in hosts_of(*world)]
    async with envoy(tmp_path, hosts) as entry:
        reader, writer = await asyncio.open_unix_connection(str(entry))
        for number, (gateway, routes) in enumerate(worlds):
            for _ in range(REQUESTS):
                request = random_routes.request(dice, kind)
                rule = chosen(gateway, routes, request)
                expected = f"{rule.namespace}/{rule.name}/{rule.rule}" if rule else "none"
                sent = msgspec.structs.replace(request, host=within(request.host, number))
                seen = await taken_by_envoy(reader, writer, sent)
                assert (seen if "/" in seen else "none") == expected, f"{request}\n{gateway}\n{routes}"
        writer.close()

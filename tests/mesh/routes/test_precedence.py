"""Random routes on Services and requests: the rule that answers is the one that the specification names."""

from __future__ import annotations

import random

from podwire.edge.model import choice
from podwire.edge.model.choice import Request
from podwire.mesh.routes.frontends import Frontend
from tests.edge.gateway import random_routes
from tests.edge.gateway.specified_choice import Object, Rule, candidates
from tests.mesh.routes.objects import ENROLLED, Cluster, on

SERVICES, PORTS, NAMESPACES = ("web", "db"), (80, 81), ("shop", "one", "two")
CLUSTERS, REQUESTS = 120, 40


def route(dice: random.Random, number: int) -> Object:
    """Return a route of any kind on one or two Services of `shop`; hostnames are there, and mean nothing."""
    kind = dice.choice(("HTTPRoute", "HTTPRoute", "GRPCRoute"))
    found = random_routes.routes(dice, kind)[0]
    parents = [on(name, namespace="shop") for name in dice.sample(SERVICES, dice.choice((1, 1, 2)))]
    if dice.random() < 0.4:
        parents = [{**one, "port": dice.choice(PORTS)} for one in parents]
    found["metadata"] |= {"namespace": dice.choice(NAMESPACES), "name": f"r{number}"}
    found["spec"]["parentRefs"] = parents
    return found


def specified(routes: list[Object], client: str, service: str, port: int, request: Request) -> Rule | str:
    """Return the rule for a request of a client; `none`: 404; `as it is`: the Service has no route for the client.

    Word by word (GEP-1294): routes of the client's namespace, else those of the Service's; of two kinds GRPCRoutes.
    """
    there = [one for one in routes if any(_is_on(parent, service, port) for parent in one["spec"]["parentRefs"])]
    group = [one for one in there if one["metadata"]["namespace"] == client]
    group = group or [one for one in there if one["metadata"]["namespace"] == "shop"]
    if not group:
        return "as it is"
    kind = min(one["kind"] for one in group)
    if kind == "GRPCRoute" and not request.header("content-type"):
        return "none"
    bare = [{**one, "spec": {**one["spec"], "hostnames": []}} for one in group if one["kind"] == kind]
    found = [one for each in bare for one in candidates(each, request)]
    return min(found, key=lambda one: one[0])[1] if found else "none"


def _is_on(parent: Object, service: str, port: int) -> bool:
    return bool(parent["name"] == service and parent.get("port", port) == port)


def taken(cluster: Cluster, client: str, service: str, port: int, request: Request) -> Rule | str:
    """Return what the tables of the model say for a request of a client."""
    own = Frontend("shop", service, port, client if client != "shop" else "")
    host = cluster.routes.virtual_host(own) or cluster.routes.virtual_host(Frontend("shop", service, port))
    if host is None:
        return "as it is"
    for one in choice.tried(host, request):
        if one.is_taken:
            name = one.route.name
            return Rule(name.kind, name.namespace, name.name, name.rule)
    return "none"


def cluster_of(routes: list[Object]) -> Cluster:
    found = Cluster()
    for name in NAMESPACES:
        found.namespace(name, ENROLLED)
    for name in SERVICES:
        found.service(name, *PORTS)
    for one in routes:
        put(found, one)
    return found


def put(cluster: Cluster, one: Object) -> None:
    metadata = dict(one["metadata"])
    cluster.put(one["kind"], metadata.pop("name"), one["spec"], metadata.pop("namespace"), **metadata)


def request_for(dice: random.Random) -> Request:
    return random_routes.request(dice, dice.choice(("HTTPRoute", "GRPCRoute")))


def test_the_model_takes_the_rule_that_the_specification_names() -> None:
    dice = random.Random(16)
    outcomes = {"rule": 0, "none": 0, "as it is": 0}
    for _ in range(CLUSTERS):
        routes = [route(dice, number) for number in range(dice.randint(0, 6))]
        cluster = cluster_of(routes)
        for _ in range(REQUESTS):
            client, service, port = dice.choice((*NAMESPACES, "three")), dice.choice(SERVICES), dice.choice(PORTS)
            request = request_for(dice)
            expected = specified(routes, client, service, port, request)
            found = taken(cluster, client, service, port, request)
            assert found == expected, f"{client} {service}:{port} {request}\n{routes}"
            outcomes["rule" if isinstance(expected, Rule) else expected] += 1
    assert min(outcomes.values()) > 100, outcomes


def test_tables_are_the_same_whatever_came_first_and_went() -> None:
    dice = random.Random("order")
    for _ in range(60):
        routes = [route(dice, number) for number in range(5)]
        expected, shuffled = cluster_of(routes[:4]), dice.sample(routes, 5)
        found = cluster_of(shuffled)
        found.remove(routes[4]["kind"], routes[4]["metadata"]["name"], routes[4]["metadata"]["namespace"])
        for service in SERVICES:
            for port in PORTS:
                for client in ("", "one", "two"):
                    frontend = Frontend("shop", service, port, client)
                    assert found.routes.virtual_host(frontend) == expected.routes.virtual_host(frontend)

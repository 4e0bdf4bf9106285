"""Policies of Services: what they come to in rows, which of several is in force, and what is wrong with the others."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster as ClusterRow
from podwire.edge.model.backends import Endpoint, Endpoints, ServicePort
from podwire.edge.model.filters import Rate, RateLimit, SessionPersistence
from podwire.edge.model.resilience import Abort, Delay, Fault, Limits, OutlierDetection, Resilience, RetryBudget
from podwire.edge.model.routes import Forward
from podwire.kube.meta import NamespacedName
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.localities import Place, preferring
from podwire.mesh.routes.settings import NOTHING, Settings
from tests.mesh.routes.objects import DISABLED, Cluster

WEB = NamespacedName("shop", "web")
FRONTEND = Frontend("shop", "web", 80)
LIMIT: dict[str, Any] = {"circuitBreaker": {"maxRequests": 5}}
LIMITED = Settings(Resilience(limits=Limits(requests=5)))
HTTP = {"port": 80, "name": "http", "appProtocol": "http"}


@pytest.fixture(name="cluster")
def _cluster() -> Cluster:
    found = Cluster()
    found.service("web", HTTP, {"port": 81, "name": "alt"})
    return found


def settings(cluster: Cluster, port: int = 80) -> Settings:
    return cluster.policies.settings(WEB, port)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (LIMIT, LIMITED),
        ({"retryConstraint": {}}, Settings(Resilience(budget=RetryBudget(20, 10)))),
        (
            {"retryConstraint": {"budget": {"percent": 5}, "minRetryRate": {"count": 3, "interval": "2s"}}},
            Settings(Resilience(budget=RetryBudget(5, 2))),
        ),
        (
            {"outlierDetection": {"consecutiveErrors": 2, "interval": "1s", "panicThresholdPercent": 10}},
            Settings(Resilience(outliers=OutlierDetection(errors=2, interval=1.0), panic_percent=10)),
        ),
        ({"locality": {}}, Settings(prefer="Zone")),
        (
            {"fault": {"delay": {"duration": "1s"}, "abort": {"grpcStatus": 14, "percent": 5}}},
            Settings(fault=Fault(Delay(1.0), Abort(grpc_status=14, percent=5))),
        ),
        (
            {"rateLimit": {"requests": 5, "per": "1m"}},
            Settings(rate=RateLimit((Rate(5, 60.0, 5),), (), 429, by_client=False)),
        ),
        (
            {"rateLimit": {"requests": 5, "burst": 9, "scope": "Client"}},
            Settings(rate=RateLimit((Rate(5, 1.0, 9),), (), 429, by_client=True)),
        ),
        (
            {"sessionPersistence": {"absoluteTimeout": "1h"}},
            Settings(session=SessionPersistence("Cookie", "podwire-session-web", 3600)),
        ),
    ],
)
def test_each_setting_is_one_of_the_model(cluster: Cluster, spec: Any, expected: Settings) -> None:
    assert settings(cluster) == NOTHING
    cluster.policy("p", "web", **spec)
    assert settings(cluster) == expected
    cluster.remove_policy("p")
    assert settings(cluster) == NOTHING


def test_a_policy_of_the_gateway_api_has_what_the_own_one_says_nothing_about(cluster: Cluster) -> None:
    cluster.policy("theirs", "web", kind="XBackendTrafficPolicy", retryConstraint={"budget": {"percent": 1}})
    assert settings(cluster).resilience.budget == RetryBudget(1, 10)
    cluster.policy("own", "web", **LIMIT)
    assert settings(cluster).resilience == Resilience(limits=Limits(requests=5), budget=RetryBudget(1, 10))
    cluster.policy("own", "web", retryConstraint={"budget": {"percent": 7}})
    assert settings(cluster).resilience == Resilience(budget=RetryBudget(7, 10))


def test_of_several_the_oldest_is_in_force_and_one_that_names_the_port_first(cluster: Cluster) -> None:
    cluster.policy("b", "web", day=2, circuitBreaker={"maxRequests": 2})
    cluster.policy("a", "web", day=3, circuitBreaker={"maxRequests": 3})
    cluster.policy("c", {"name": "web", "sectionName": "alt"}, day=4, circuitBreaker={"maxRequests": 4})
    found = [settings(cluster, port).resilience.limits for port in (80, 81)]
    assert found == [Limits(requests=2), Limits(requests=4)]
    problems = {name: cluster.policies.problem(Owner("BackendPolicy", "shop", name)) for name in ("a", "b", "c")}
    assert {name: one and one.reason for name, one in problems.items()} == {"a": "Conflicted", "b": None, "c": None}
    assert Owner("BackendPolicy", "shop", "a") in cluster.remove_policy("b").owners
    assert cluster.policies.problem(Owner("BackendPolicy", "shop", "a")) is None


@pytest.mark.parametrize(
    ("target", "spec", "reason"),
    [
        ("none", LIMIT, "TargetNotFound"),
        ({"name": "web", "sectionName": "none"}, LIMIT, "TargetNotFound"),
        ("web", {"sessionPersistence": {"idleTimeout": "1s"}}, "Invalid"),
    ],
)
def test_why_a_policy_is_not_in_force(cluster: Cluster, target: Any, spec: Any, reason: str) -> None:
    cluster.policy("p", target, **spec)
    found = cluster.policies.problem(Owner("BackendPolicy", "shop", "p"))
    assert found is not None
    assert found.reason == reason
    assert settings(cluster) == NOTHING


def test_clusters_and_hosts_of_routes_have_what_the_policies_want(cluster: Cluster) -> None:
    cluster.service("db")
    cluster.route("r", {"port": 80}, {"backendRefs": [{"name": "db", "port": 80}]})
    cluster.policy("web", "web", rateLimit={"requests": 5}, **LIMIT)
    changes = cluster.policy("db", "db", sessionPersistence={}, circuitBreaker={"maxRequests": 1})
    (row,) = changes.rows[Owner("HTTPRoute", "shop", "r")]
    assert isinstance(row, ClusterRow)
    assert (row.name, row.resilience) == ("shop/db/80/http1/sticky", Resilience(limits=Limits(requests=1)))
    host = cluster.routes.virtual_host(FRONTEND)
    assert host is not None
    assert host.rate == RateLimit((Rate(5, 1.0, 5),), (), 429, by_client=False)
    assert isinstance(host.routes[0].action, Forward)
    assert host.routes[0].action.backends[0].cluster == row.name
    assert host.routes[0].action.session == SessionPersistence("Cookie", "podwire-session-db")


def test_the_session_of_a_rule_is_in_force_before_that_of_a_policy(cluster: Cluster) -> None:
    rule = {"backendRefs": [{"name": "web", "port": 80}], "sessionPersistence": {"sessionName": "own"}}
    cluster.route("r", {"port": 80}, rule)
    cluster.policy("p", "web", sessionPersistence={})
    host = cluster.routes.virtual_host(FRONTEND)
    assert host is not None
    assert isinstance(host.routes[0].action, Forward)
    assert host.routes[0].action.session == SessionPersistence("Cookie", "own")


def test_a_port_with_a_policy_leads_to_the_service_itself_where_it_has_no_route(cluster: Cluster) -> None:
    changes = cluster.policy("p", "web", fault={"abort": {"httpStatus": 418}})
    assert cluster.routes.frontends(WEB) == (FRONTEND,), "port 81 is not HTTP by its appProtocol"
    host, row = changes.rows[FRONTEND]
    assert host == cluster.routes.virtual_host(FRONTEND)
    assert isinstance(row, ClusterRow)
    assert row.name == "shop/web/80/http1"
    assert cluster.route("r", {"port": 80}).rows[FRONTEND] == (cluster.routes.virtual_host(FRONTEND),)
    assert len(cluster.remove("HTTPRoute", "r").rows[FRONTEND]) == 2
    assert cluster.remove_policy("p").rows[FRONTEND] == ()
    assert cluster.routes.frontends(WEB) == ()


@pytest.mark.parametrize("given", [{"labels": DISABLED}, {"clusterIP": "None"}])
def test_a_service_that_the_mesh_does_not_carry_has_no_host_by_a_policy(cluster: Cluster, given: Any) -> None:
    cluster.policy("p", "web", **LIMIT)
    assert cluster.routes.frontends(WEB) == (FRONTEND,)
    cluster.service("web", HTTP, **given)
    assert cluster.routes.frontends(WEB) == ()


NEAR, ZONE, FAR = (
    Endpoint("10.0.0.1", 80, "a", "n1"),
    Endpoint("10.0.0.2", 80, "a", "n2"),
    Endpoint("10.0.0.3", 80, "b", "n3"),
)


@pytest.mark.parametrize(
    ("prefer", "place", "priorities"),
    [
        ("", Place("n1", "a"), [0, 0, 0]),
        ("Zone", Place("n1", "a"), [1, 1, 2]),
        ("Node", Place("n1", "a"), [0, 1, 2]),
        ("Node", Place("n1", ""), [0, 2, 2]),
        ("Zone", Place("n1", ""), [2, 2, 2]),
    ],
)
def test_endpoints_of_the_own_place_are_first(prefer: str, place: Place, priorities: list[int]) -> None:
    endpoints = Endpoints(ServicePort("shop", "web", 80), (NEAR, ZONE, FAR))
    assert [one.priority for one in preferring(endpoints, prefer, place).endpoints] == priorities


def test_endpoints_of_a_service_follow_its_policy(cluster: Cluster) -> None:
    found = {
        "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "nodeName": "n1", "zone": "a"},
            {"addresses": ["10.0.0.3"], "nodeName": "n3", "zone": "b"},
        ],
    }
    cluster.put_whole("EndpointSlice", found)
    port, place = ServicePort("shop", "web", 80), Place("n1", "a")
    assert [one.priority for one in cluster.routes.endpoints(port, place).endpoints] == [0, 0]
    cluster.policy("p", "web", locality={"prefer": "Zone"})
    assert [one.priority for one in cluster.routes.endpoints(port, place).endpoints] == [1, 2]

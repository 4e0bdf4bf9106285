"""Clusters of Gateways that show different certificates to backends."""

from __future__ import annotations

from podwire.edge.gateway.backend_identity import with_identity
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.model.backends import Cluster, ServicePort, Transport, WeightedBackend
from podwire.edge.model.filters import ExternalAuth, Mirror
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import Answer, Forward, Route, RouteName
from podwire.edge.model.tls import BackendTls

PLAIN = Cluster(ServicePort("shop", "plain", 80), Transport.HTTP1)
SECURE = Cluster(ServicePort("shop", "web", 443), Transport.HTTP1, BackendTls("web.test", version="ab"))
NAME = RouteName("HTTPRoute", "shop", "web")
ACTION = Forward(
    (WeightedBackend(PLAIN.name, 1), WeightedBackend(SECURE.name, 2), WeightedBackend("", 3)),
    mirrors=(Mirror(SECURE.name), Mirror(PLAIN.name)),
)
ROUTES = (
    Route(NAME, Match(), ACTION, auth=ExternalAuth(SECURE.name, "HTTP")),
    Route(NAME, Match(), Answer(200), auth=ExternalAuth("", "HTTP")),
)
ROUTE = Translated(ROUTES, (PLAIN, SECURE))


def test_only_clusters_with_tls_show_the_certificate_and_all_that_lead_to_them_follow() -> None:
    found = with_identity(ROUTE, "Secret/infra/one")
    plain, secure = found.clusters
    assert plain == PLAIN
    assert secure.tls is not None
    assert secure.tls.certificate == "Secret/infra/one"
    assert secure.name != SECURE.name
    action, auth = found.routes[0].action, found.routes[0].auth
    assert isinstance(action, Forward)
    assert [one.cluster for one in action.backends] == [PLAIN.name, secure.name, ""]
    assert [one.cluster for one in action.mirrors] == [secure.name, PLAIN.name]
    assert auth is not None
    assert auth.cluster == secure.name
    assert found.routes[1] == ROUTES[1]


def test_each_certificate_has_clusters_of_its_own() -> None:
    names = {with_identity(ROUTE, name).clusters[1].name for name in ("Secret/infra/one", "Secret/infra/two", "")}
    assert len(names) == 3


def test_a_route_is_the_same_without_certificate_and_without_tls() -> None:
    assert with_identity(ROUTE, "") is ROUTE
    plain = Translated((Route(NAME, Match(), Forward((WeightedBackend(PLAIN.name),))),), (PLAIN,))
    assert with_identity(plain, "Secret/infra/one") is plain

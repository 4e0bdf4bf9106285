"""Virtual hosts of the ports of Services: who has them, in which order routes are tried, what is derived again."""

from __future__ import annotations

import pytest

from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster as ClusterRow
from podwire.edge.model.choice import Request, tried
from podwire.edge.model.routes import Forward, RedirectTo, VirtualHost
from podwire.kube.meta import NamespacedName
from podwire.mesh.routes.frontends import Frontend
from tests.mesh.routes.objects import ENROLLED, Cluster, to

WEB = Frontend("shop", "web", 80)
FROM_CLIENT = Frontend("shop", "web", 80, "client")


@pytest.fixture(name="cluster")
def _cluster() -> Cluster:
    found = Cluster()
    found.service("web")
    found.service("canary")
    return found


def host(cluster: Cluster, frontend: Frontend = WEB) -> VirtualHost:
    found = cluster.routes.virtual_host(frontend)
    assert found is not None
    return found


def taken(cluster: Cluster, path: str, frontend: Frontend = WEB, name: str = "any") -> str | None:
    """Return the name of the route that a request takes; None: 404."""
    found = (one.route.name.name for one in tried(host(cluster, frontend), Request(name, path)) if one.is_taken)
    return next(found, None)


def test_a_service_without_routes_has_no_table(cluster: Cluster) -> None:
    assert cluster.routes.virtual_host(WEB) is None
    assert cluster.routes.frontends(WEB.key) == ()


def test_a_request_that_no_route_matches_has_none(cluster: Cluster) -> None:
    cluster.route("r", {}, to("web", matches=[{"path": {"value": "/a"}}]))
    assert taken(cluster, "/a/b") == "r"
    assert taken(cluster, "/b") is None


def test_hosts_are_not_looked_at(cluster: Cluster) -> None:
    spec = {
        "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "hostnames": ["a.org"],
        "rules": [to("web")],
    }
    cluster.put("HTTPRoute", "r", spec)
    assert host(cluster).domain == "*"
    assert taken(cluster, "/", name="b.org") == "r"


def test_a_host_is_matched_by_its_header(cluster: Cluster) -> None:
    cluster.route("r", {}, to("web", matches=[{"headers": [{"name": "Host", "value": "a.org"}]}]))
    assert taken(cluster, "/", name="a.org") == "r"
    assert taken(cluster, "/", name="b.org") is None


def test_routes_of_one_namespace_are_merged_by_the_usual_precedence(cluster: Cluster) -> None:
    cluster.route("any", {}, day=1)
    cluster.route("deep", {}, to("web", matches=[{"path": {"value": "/a/b"}}]), day=3)
    cluster.route("old", {}, to("web", matches=[{"path": {"value": "/a"}}]), day=1)
    cluster.route("new", {}, to("web", matches=[{"path": {"value": "/a"}}]), day=2)
    assert [taken(cluster, path) for path in ("/a/b", "/a", "/")] == ["deep", "old", "any"]


def test_routes_of_a_client_s_namespace_replace_those_of_the_service(cluster: Cluster) -> None:
    cluster.route("own", {})
    cluster.route("theirs", {"namespace": "shop"}, to("web", matches=[{"path": {"value": "/a"}}]), namespace="client")
    assert cluster.routes.frontends(WEB.key) == (WEB, FROM_CLIENT)
    assert (taken(cluster, "/a"), taken(cluster, "/b")) == ("own", "own")
    assert (taken(cluster, "/a", FROM_CLIENT), taken(cluster, "/b", FROM_CLIENT)) == ("theirs", None)
    assert (WEB.table, FROM_CLIENT.table) == ("mesh~shop~web~80", "mesh~shop~web~80~from~client")


def test_a_backend_of_another_namespace_needs_no_grant(cluster: Cluster) -> None:
    cluster.namespace("client", ENROLLED)
    rule = {"backendRefs": [{"name": "web", "namespace": "shop", "port": 80}]}
    changes = cluster.route("r", {"namespace": "shop"}, rule, namespace="client")
    route = Owner("HTTPRoute", "client", "r")
    assert not cluster.routes.translated(route).unresolved
    assert [one.name for one in changes.rows[route] if isinstance(one, ClusterRow)] == ["shop/web/80/http1"]


def test_the_parent_as_a_backend_means_its_endpoints(cluster: Cluster) -> None:
    cluster.route("r", {}, {"backendRefs": [{"name": "web", "port": 80, "weight": 9}, {"name": "canary", "port": 80}]})
    (route,) = host(cluster).routes
    assert isinstance(route.action, Forward)
    shares = [(one.cluster, one.weight) for one in route.action.backends]
    assert shares == [("shop/web/80/http1", 9), ("shop/canary/80/http1", 1)]


def test_a_redirect_leads_to_the_port_of_the_service(cluster: Cluster) -> None:
    cluster.service("web", 80, 8080)
    cluster.route("r", {}, {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "b.org"}}]})
    actions = [host(cluster, Frontend("shop", "web", port)).routes[0].action for port in (80, 8080)]
    assert [one.redirect.port for one in actions if isinstance(one, RedirectTo)] == [80, 8080]


def test_a_route_that_is_not_supported_leaves_the_service_as_it_is(cluster: Cluster) -> None:
    cluster.route("r", {}, to("web", filters=[{"type": "ExtensionRef"}]))
    assert cluster.routes.translated(Owner("HTTPRoute", "shop", "r")).unsupported
    assert cluster.routes.virtual_host(WEB) is None
    assert cluster.routes.frontends(WEB.key) == ()


def test_the_last_route_that_goes_takes_the_table_with_it(cluster: Cluster) -> None:
    cluster.route("one", {})
    cluster.route("two", {})
    assert cluster.remove("HTTPRoute", "one").rows[WEB] != ()
    changes = cluster.remove("HTTPRoute", "two")
    assert changes.rows[WEB] == ()
    assert changes.rows[Owner("HTTPRoute", "shop", "two")] == ()
    assert cluster.routes.virtual_host(WEB) is None


def test_a_port_that_is_gone_has_no_table(cluster: Cluster) -> None:
    cluster.service("web", 80, 81)
    cluster.route("r", {})
    changes = cluster.service("web", 81)
    assert changes.rows[WEB] == ()
    assert cluster.routes.frontends(NamespacedName("shop", "web")) == (Frontend("shop", "web", 81),)


def test_another_service_is_not_derived_again(cluster: Cluster) -> None:
    cluster.route("r", {})
    cluster.service("other")
    changes = cluster.route("o", {"name": "other"}, to("other"))
    assert set(changes.rows) == {Owner("HTTPRoute", "shop", "o"), Frontend("shop", "other", 80)}

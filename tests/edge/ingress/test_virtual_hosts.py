"""What requests get: the virtual hosts of Ingresses, tried by the matcher that agrees with Envoy."""

from __future__ import annotations

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import server
from podwire.edge.ingress.virtual_hosts import HTTP_TABLE, HTTPS_TABLE, virtual_hosts, www_name
from podwire.edge.model.choice import Request, tried, virtual_host_of
from podwire.edge.model.filters import ClientRanges, Header, Redirect
from podwire.edge.model.routes import Answer, Forward, RedirectTo, Route
from podwire.kube.services import Service
from tests.edge.ingress.objects import claim, ingress, path

HOST = "app.example.com"
HTTPS = RedirectTo(Redirect(scheme="https", status=308))


def references() -> References:
    """Services web, new and other exist."""
    objects = Objects()
    for name in ("web", "new", "other"):
        body = {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}
        objects.put("Service", msgspec.convert(body, Service))
    return References(objects)


def route(request: Request, *items: Ingress, table: str = HTTP_TABLE, certificate: bool = False) -> Route | None:
    """The route that a request gets; None: 404."""
    claims, known = [claim(one) for one in items], references()
    servers = {host: server(host, [one for one in claims if host in one.hosts]) for one in claims for host in one.hosts}
    hosts = [
        one
        for found in servers.values()
        for one in virtual_hosts(found, known, has_certificate=certificate, others=servers.get("*")).hosts
    ]
    host = virtual_host_of(hosts, table, request.host)
    return next((one.route for one in tried(host, request) if one.is_taken), None) if host else None


def action(request: Request, *items: Ingress, certificate: bool = False) -> object:
    found = route(request, *items, certificate=certificate)
    return None if found is None else found.action


def backends(found: Route | None) -> dict[str, int]:
    if found is None or not isinstance(found.action, Forward):
        return {}
    return {one.cluster.split("/")[1]: one.weight for one in found.action.backends}


def get(url_path: str, host: str = HOST, **headers: str) -> Request:
    values = tuple(Header(name.replace("_", "-"), value) for name, value in headers.items())
    return Request(host, url_path, headers=values)


def test_prefix_is_by_element_and_implementation_specific_by_character() -> None:
    prefix = ingress("a", path("/foo"))
    assert backends(route(get("/foo/bar"), prefix))
    assert backends(route(get("/foo"), prefix))
    assert not backends(route(get("/foobar"), prefix))
    slash = ingress("a", path("/foo/"))
    assert backends(route(get("/foo"), slash))
    free = ingress("a", path("/foo", path_type="ImplementationSpecific"))
    assert backends(route(get("/foobar"), free))
    exact = ingress("a", path("/foo", path_type="Exact"))
    assert not backends(route(get("/foo/"), exact))


def test_a_wildcard_is_one_label_and_others_go_to_the_server_of_any_host() -> None:
    wild = ingress("a", path("/"), host="*.foo.com")
    assert backends(route(get("/", "bar.foo.com"), wild))
    assert not backends(route(get("/", "baz.bar.foo.com"), wild))
    assert route(get("/", "foo.com"), wild) is None
    anything = ingress("b", path("/", "other"), host="")
    assert backends(route(get("/", "baz.bar.foo.com"), wild, anything)) == {"other": 1}
    assert backends(route(get("/", "bar.foo.com"), wild, anything)) == {"web": 1}


def test_rewrites_replace_the_path_by_groups() -> None:
    item = ingress("a", path("/something(/|$)(.*)", path_type="ImplementationSpecific"), rewrite_target="/$2")
    found = action(get("/SOMETHING/new"), item)
    assert isinstance(found, Forward)
    assert found.rewrite is not None
    assert found.rewrite.substitution is not None
    assert found.rewrite.substitution.replacement == r"/\2"
    assert route(get("/else"), item) is None


def test_plain_requests_are_redirected_where_the_host_has_a_certificate() -> None:
    item = ingress("a", path("/"))
    assert action(get("/x"), item, certificate=True) == HTTPS
    assert backends(route(get("/x"), item, certificate=False))
    assert backends(route(get("/x"), item, certificate=True, table=HTTPS_TABLE))
    assert backends(route(get("/.well-known/acme-challenge/token"), item, certificate=True))
    off = ingress("a", path("/"), ssl_redirect="false")
    assert backends(route(get("/x"), off, certificate=True))
    assert action(get("/x"), ingress("a", path("/"), force_ssl_redirect="true")) == HTTPS


def test_redirects_and_the_root_of_an_application() -> None:
    moved = ingress("a", path("/"), permanent_redirect="https://new.example.com/base")
    assert action(get("/x"), moved) == RedirectTo(
        Redirect("https", "new.example.com", full_path="/base", status=301, keeps_query=False)
    )
    both = ingress("a", path("/"), permanent_redirect="https://a.com", temporal_redirect="https://b.com$request_uri")
    assert action(get("/x"), both) == RedirectTo(Redirect("https", "b.com", status=302))
    root = ingress("a", path("/"), app_root="/app")
    assert action(get("/"), root) == RedirectTo(Redirect(full_path="/app", status=302, keeps_query=False))
    assert backends(route(get("/x"), root))


def test_canary_by_header_cookie_and_weight() -> None:
    main = ingress("a", path("/"))
    other = ingress(
        "b", path("/", "new"), canary="true", canary_by_header="X-New", canary_by_cookie="new", canary_weight="30"
    )
    assert backends(route(get("/", x_new="always"), main, other)) == {"new": 1}
    assert backends(route(get("/", x_new="never"), main, other)) == {"web": 1}
    assert backends(route(get("/", x_new="maybe"), main, other)) == {"web": 70, "new": 30}
    assert backends(route(get("/", cookie="a=b; new=always"), main, other)) == {"new": 1}
    assert backends(route(get("/", cookie="renew=always"), main, other)) == {"web": 70, "new": 30}
    valued = ingress("b", path("/", "new"), canary="true", canary_by_header="X-New", canary_by_header_value="yes")
    assert backends(route(get("/", x_new="yes"), main, valued)) == {"new": 1}
    assert backends(route(get("/", x_new="always"), main, valued)) == {"web": 100}


def test_a_backend_that_does_not_exist_is_503() -> None:
    assert action(get("/"), ingress("a", path("/", "none"))) == Answer(503)


def test_ranges_of_clients_and_denied_paths() -> None:
    item = ingress("a", path("/"), allowlist_source_range="10.0.0.0/8", denylist_source_range="10.1.0.0/16")
    found = route(get("/"), item)
    assert found is not None
    assert found.clients == ClientRanges(("10.0.0.0/8",), ("10.1.0.0/16",))
    assert action(get("/"), ingress("a", path("/"), allowlist_source_range="all")) == Answer(503)


def test_the_other_name_with_or_without_www_is_redirected() -> None:
    item = ingress("a", path("/"), from_to_www_redirect="true")
    assert www_name(server(HOST, [claim(item)])) == f"www.{HOST}"
    assert www_name(server(HOST, [claim(ingress("a", path("/")))])) == ""

"""Paths of a host from several Ingresses: order, duplicates, defaults, canaries."""

from __future__ import annotations

from podwire.edge.ingress.servers import Server, server
from tests.edge.ingress.objects import claim, ingress, path

HOST = "app.example.com"


def paths(found: Server) -> list[tuple[str, str, str]]:
    return [(one.path, one.path_type, one.ingress.name) for one in found.locations]


def test_exact_comes_first_then_the_longest() -> None:
    item = ingress(
        "a", path("/"), path("/foo"), path("/foo", path_type="Exact"), path("/foo/bar"),
        path("/food", path_type="ImplementationSpecific"),
    )  # fmt: skip
    assert [(one, kind) for one, kind, _ in paths(server(HOST, [claim(item)]))] == [
        ("/foo", "Exact"),
        ("/foo/bar", "Prefix"),
        ("/foo", "Prefix"),
        ("/food", "ImplementationSpecific"),
        ("/", "Prefix"),
    ]


def test_the_older_ingress_has_a_path_that_two_have() -> None:
    young = ingress("a", path("/x"), path("/y"), created="2026-02-02T00:00:00Z")
    old = ingress("b", path("/x"), created="2026-01-01T00:00:00Z")
    found = server(HOST, [claim(young), claim(old)])
    assert paths(found) == [("/x", "Prefix", "b"), ("/y", "Prefix", "a")]
    assert [(one.ingress.name, one.reason) for one in found.refused] == [("a", "DuplicatePath")]


def test_one_rewrite_makes_expressions_of_all_paths_of_the_host() -> None:
    plain = ingress("a", path("/a", path_type="Exact"))
    rewriting = ingress("b", path("/api(/|$)(.*)", path_type="ImplementationSpecific"), rewrite_target="/$2")
    assert not server(HOST, [claim(plain)]).by_expression
    found = server(HOST, [claim(plain), claim(rewriting)])
    assert found.by_expression
    assert [one for one, _, _ in paths(found)] == ["/api(/|$)(.*)", "/a"]
    same = ingress("c", path("/x"), rewrite_target="/x")
    assert not server(HOST, [claim(same)]).by_expression


def test_a_path_that_is_no_expression_of_re2_is_left_out_alone() -> None:
    item = ingress("a", path("/(?=x)"), path("/ok"), use_regex="true")
    found = server(HOST, [claim(item)])
    assert [one for one, _, _ in paths(found)] == ["/ok"]
    assert [one.reason for one in found.refused] == ["InvalidPath"]


def test_the_default_backend_has_what_no_path_matches() -> None:
    item = ingress("a", path("/x"), default="fallback")
    found = server(HOST, [claim(item)]).locations[-1]
    assert (found.path, found.backend.service and found.backend.service.name) == ("/", "fallback")
    whole = ingress("a", path("/"), default="fallback")
    assert len(server(HOST, [claim(whole)]).locations) == 1
    alone = claim(ingress("b", default="fallback"))
    assert alone.hosts == ("*",)
    assert len(server("*", [alone]).locations) == 1


def test_a_canary_belongs_to_the_same_path_of_another_ingress() -> None:
    main = claim(ingress("main", path("/x")))
    canary = claim(ingress("canary", path("/x", "web2"), canary="true", canary_weight="30"))
    found = server(HOST, [canary, main])
    (location,) = found.locations
    assert location.canary is not None
    assert location.canary.ingress.name == "canary"
    alone = server(HOST, [canary])
    assert not alone.locations
    assert [one.reason for one in alone.refused] == ["CanaryWithoutMain"]
    second = claim(ingress("more", path("/x"), canary="true", created="2026-03-03T00:00:00Z"))
    assert [one.reason for one in server(HOST, [main, canary, second]).refused] == ["SecondCanary"]


def test_a_canary_of_another_namespace_gets_no_requests() -> None:
    main = claim(ingress("main", path("/x")))
    canary = claim(ingress("canary", path("/x", "web2"), canary="true", canary_weight="100", namespace="other"))
    found = server(HOST, [main, canary])
    assert [one.canary for one in found.locations] == [None]
    assert [(one.ingress.namespace, one.reason) for one in found.refused] == [("other", "CanaryOfAnotherNamespace")]

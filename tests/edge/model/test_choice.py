"""Which chain, virtual host and route a request gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.edge.model.choice import Request, chain_of, mismatches, tried, virtual_host_of
from podwire.edge.model.filters import Header
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Answer, Route, RouteName, VirtualHost

PREFIX, EXACT, REGEX = PathType.PREFIX, PathType.EXACT, PathType.REGEX


def path(kind: PathType, value: str, *, ignore_case: bool = False) -> Match:
    return Match(PathMatch(kind, value, ignore_case))


def route(match: Match, number: int = 0) -> Route:
    return Route(RouteName("HTTPRoute", "shop", f"web-{number}"), match, Answer(200))


@pytest.mark.parametrize(
    ("match", "fitting", "other"),
    [
        (path(PREFIX, "/"), ["/", "/a", "/a/b"], []),
        (path(PREFIX, "/foo"), ["/foo", "/foo/", "/foo/bar"], ["/", "/foobar", "/FOO", "/a/foo"]),
        (path(PREFIX, "/foo", ignore_case=True), ["/FOO", "/Foo/bar"], ["/FOOBAR"]),
        (path(EXACT, "/foo"), ["/foo"], ["/foo/", "/Foo", "/foo/bar"]),
        (path(EXACT, "/foo", ignore_case=True), ["/Foo"], ["/Foo/"]),
        (path(REGEX, "/v[0-9]+/.*"), ["/v1/a", "/v22/"], ["/v1", "/x/v1/a", "/V1/a"]),
        (path(REGEX, "/v[0-9]+", ignore_case=True), ["/V1"], ["/V1/"]),
        (path(REGEX, "/a|/b"), ["/a", "/b"], ["/ab", "/a/b"]),
        (path(REGEX, "/("), [], ["/(", "/"]),
    ],
)
def test_paths(match: Match, fitting: list[str], other: list[str]) -> None:
    for one in (*fitting, *other):
        assert (not list(mismatches(match, Request("a", one)))) == (one in fitting), one


def value(name: str, kind: ValueType, wanted: str = "") -> ValueMatch:
    return ValueMatch(name, kind, wanted)


@pytest.mark.parametrize(
    ("one", "values", "expected"),
    [
        (value("x", ValueType.EXACT, "1"), ["1"], None),
        (value("x", ValueType.EXACT, "1"), [], "is absent"),
        (value("x", ValueType.EXACT, "a"), ["A"], "A is not a"),
        (value("x", ValueType.REGEX, "[0-9]+"), ["12"], None),
        (value("x", ValueType.REGEX, "[0-9]+"), ["12a"], "12a does not match [0-9]+"),
        (value("x", ValueType.REGEX, ".*"), [], "is absent"),
        (value("x", ValueType.PRESENT), [""], None),
        (value("x", ValueType.PRESENT), [], "is absent"),
        (value("x", ValueType.ABSENT), [], None),
        (value("x", ValueType.ABSENT), ["1"], "is there: 1"),
    ],
)
def test_values_of_headers_and_query_parameters(one: ValueMatch, values: list[str], expected: str | None) -> None:
    by_header = Request("a", headers=tuple(Header("X", text) for text in values))
    by_query = Request("a", query=tuple(("x", text) for text in values))
    wanted = [] if expected is None else [expected]
    assert list(mismatches(Match(headers=(one,)), by_header)) == [f"header x: {text}" for text in wanted]
    assert list(mismatches(Match(query=(one,)), by_query)) == [f"query parameter x: {text}" for text in wanted]


def test_of_repeated_headers_any_counts_and_of_repeated_parameters_the_first() -> None:
    request = Request("a", query=(("x", "1"), ("x", "2")), headers=(Header("x", "1"), Header("X", "2")))
    for wanted in ("1", "2"):
        assert not list(mismatches(Match(headers=(value("x", ValueType.EXACT, wanted),)), request))
    other = Match(headers=(value("x", ValueType.EXACT, "1,2"),))
    assert list(mismatches(other, request)) == ["header x: 1 and 2 is not 1,2"]
    assert list(mismatches(Match(query=(value("x", ValueType.EXACT, "2"),)), request))
    assert not list(mismatches(Match(query=(value("x", ValueType.EXACT, "1"),)), request))


@pytest.mark.parametrize("name", [":authority", "Host"])
def test_the_host_of_a_request_is_a_header_too(name: str) -> None:
    match = Match(headers=(ValueMatch(name, ValueType.EXACT, "a"),))
    assert not list(mismatches(match, Request("a")))
    assert list(mismatches(match, Request("b", headers=(Header("host", "a"),))))


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [("application/grpc", True), ("application/grpc+proto", True), ("application/grpc-web", False), ("", False)],
)
def test_grpc_is_known_by_its_content_type(content_type: str, is_grpc: bool) -> None:
    request = Request("a", "/s/m", "POST", headers=(Header("Content-Type", content_type),))
    assert list(mismatches(Match(is_grpc=True), request)) == (
        [] if is_grpc else ["header content-type: is not application/grpc"]
    )


def test_each_condition_that_fails_is_named() -> None:
    match = Match(
        PathMatch(EXACT, "/login"), "POST", (value("canary", ValueType.EXACT, "yes"),), (value("v", ValueType.PRESENT),)
    )
    assert list(mismatches(match, Request("a", "/logout"))) == [
        "path /logout: is not /login",
        "method GET: is not POST",
        "header canary: is absent",
        "query parameter v: is absent",
    ]


@given(st.lists(st.sampled_from(["/", "/a", "/a/b", "/b"]), max_size=6), st.sampled_from(["/", "/a", "/a/b/c", "/c"]))
def test_the_first_route_that_matches_is_taken_and_the_order_is_that_of_the_host(
    paths: list[str], requested: str
) -> None:
    host = VirtualHost("t", "*", tuple(route(path(PREFIX, one), number) for number, one in enumerate(paths)))
    found = list(tried(host, Request("a", requested)))
    assert [one.route for one in found] == list(host.routes)
    fitting = [one for one in found if not one.mismatches]
    assert [one for one in found if one.is_taken] == fitting[:1]


def test_the_most_specific_domain_of_the_table_has_the_request() -> None:
    domains = ("*", "*.example.com", "*.b.example.com", "www.example.com")
    hosts = [VirtualHost("t", one) for one in domains] + [VirtualHost("other", "a.b.example.com")]

    def domain(host: str, table: str = "t") -> str | None:
        found = virtual_host_of(hosts, table, host)
        return None if found is None else found.domain

    assert domain("WWW.example.com") == "www.example.com"
    assert domain("a.b.example.com") == "*.b.example.com"
    assert domain("b.example.com") == "*.example.com"
    assert domain("example.com") == "*"
    assert domain("a.b.example.com", "other") == "a.b.example.com"
    assert domain("example.com", "other") is None


def test_the_chain_is_that_of_the_most_specific_server_name() -> None:
    def chain(name: str, *server_names: str) -> FilterChain:
        return FilterChain(name, HttpChain(name), server_names)

    wild, exact = chain("wild", "*.example.com"), chain("exact", "www.example.com")
    port = GatewayPort("shop", "web", 443)
    closed = Listener(port, 10443, (wild, exact), inspects_tls=True)
    assert chain_of(closed, "www.Example.com") is exact
    assert chain_of(closed, "a.b.example.com") is wild
    assert chain_of(closed, "example.org") is None
    assert chain_of(closed, "") is None
    rest = chain("rest")
    assert chain_of(Listener(port, 10443, (wild, exact, rest), inspects_tls=True), "") is rest

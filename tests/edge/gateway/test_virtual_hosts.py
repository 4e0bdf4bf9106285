"""The order in which the routes of a virtual host are tried."""

from __future__ import annotations

import itertools

from podwire.edge.gateway.virtual_hosts import Part, virtual_host
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Answer, Route, RouteName

ONE, TWO = ValueMatch("a", ValueType.PRESENT), ValueMatch("b", ValueType.PRESENT)
PREFIX = PathMatch(PathType.PREFIX, "/a")
IN_ORDER = (
    Match(PathMatch(PathType.EXACT, "/a")),
    Match(PathMatch(PathType.PREFIX, "/a/b")),
    Match(PREFIX, method="GET", headers=(ONE,)),
    Match(PREFIX, method="GET"),
    Match(PREFIX, headers=(ONE, TWO)),
    Match(PREFIX, headers=(ONE,), query=(ONE,)),
    Match(PREFIX, headers=(ONE,)),
    Match(PREFIX, query=(ONE, TWO)),
    Match(PREFIX),
    Match(),
)
GRPC_IN_ORDER = (
    Match(PathMatch(PathType.EXACT, "/a.B/Get"), is_grpc=True),
    Match(PathMatch(PathType.PREFIX, "/a.B"), is_grpc=True),
    Match(PathMatch(PathType.REGEX, "/[^/]+/Get"), is_grpc=True),
    Match(is_grpc=True),
)


def route(match: Match, name: str = "web", rule: int = 0) -> Route:
    """Return a route of an HTTPRoute."""
    return Route(RouteName("HTTPRoute", "shop", name, rule), match, Answer(200))


def test_more_specific_matches_come_first() -> None:
    for matches in (IN_ORDER, GRPC_IN_ORDER):
        for one, other in itertools.combinations(matches, 2):
            shares = [
                Part(("2026", "shop", "new"), (route(one, rule=9),)),
                Part(("2020", "shop", "old"), (route(other),)),
            ]
            assert [each.match for each in virtual_host("t", "a.org", shares).routes] == [one, other]


def test_equal_matches_are_ordered_by_age_name_and_rule() -> None:
    first, second, third, fourth = (
        route(Match(), name, rule) for name, rule in (("z", 0), ("a", 0), ("b", 0), ("b", 1))
    )
    shares = [
        Part(("2026", "shop", "b"), (third, fourth)),
        Part(("2026", "shop", "a"), (second,)),
        Part(("2020", "shop", "z"), (first,)),
    ]
    for order in itertools.permutations(shares):
        assert virtual_host("t", "a.org", order).routes == (first, second, third, fourth)


def test_host_with_routes_is_not_misdirected() -> None:
    assert virtual_host("t", "a.org", (), misdirected=True).misdirected
    assert not virtual_host("t", "a.org", [Part(("", "", ""), (route(Match()),))], misdirected=True).misdirected


def test_rules_of_a_more_specific_hostname_come_before_better_matches() -> None:
    exact, prefix = route(IN_ORDER[0]), route(Match())
    parts = [
        Part(("2020", "shop", "any"), (exact,)),
        Part(("2020", "shop", "wide"), (exact,), "*.org"),
        Part(("2026", "shop", "new"), (prefix,), "a.org"),
    ]
    for order in itertools.permutations(parts):
        assert virtual_host("t", "a.org", order).routes == (prefix, exact, exact)

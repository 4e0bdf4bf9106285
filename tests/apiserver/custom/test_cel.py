from typing import Any

import pytest

from podwire.apiserver.custom import cel

TRUE = [
    "size('héllo') == 5 && 'héllo'.size() == 5",
    "size([1, 2]) == 2 && {'a': 1}.size() == 1",
    "'size(x)' == 'size' + '(x)'",
    "[1, 2, 3].sum() == 6 && [1, 3].max() == 3 && [2, 1].min() == 1 && [1, 2].isSorted() && ![2, 1].isSorted()",
    "['a', 'b'].indexOf('b') == 1 && ['a', 'b', 'a'].lastIndexOf('a') == 2 && ['a'].indexOf('c') == -1",
    "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
    "'ab'.upperAscii() == 'AB' && 'AB'.lowerAscii() == 'ab' && ' a '.trim() == 'a'",
    "'abcd'.substring(1) == 'bcd' && 'abcd'.substring(1, 3) == 'bc' && 'abc'.charAt(1) == 'b'",
    "'aXbX'.replace('X', '-') == 'a-b-' && ['a', 'b'].join('/') == 'a/b' && 'abc'.reverse() == 'cba'",
    "'%s has %d'.format(['web', 3]) == 'web has 3'",
    "'ab'.matches('(?i)^AB$') && !'abc'.matches('^ab$')",
    "matches('ab', '(?i)^AB$') && !matches('abc', '^ab$') && !matches ('v1.6.3', 'v1.[0-5].\\\\d+')",
    "isIP('10.0.0.1') && isIP('fd00::1') && !isIP('10.0.0') && ip('fd00::1').family() == 6",
    "ip('127.0.0.1').isLoopback() && !ip('10.0.0.1').isLoopback() && ip('0.0.0.0').isUnspecified()",
    "ip('224.0.0.1').isLinkLocalMulticast() && !ip('10.0.0.1').isLinkLocalMulticast()",
    "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
    "!cidr('10.0.0.0/8').containsIP(ip('11.0.0.1')) && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
    "cidr('10.0.0.0/8').prefixLength() == 8 && cidr('10.1.0.0/8').masked() == cidr('10.0.0.0/8')",
    "isURL('https://a.example:8080/p?q=1') && !isURL('a b')",
    "url('https://a.example:8080/p?q=1').getHost() == 'a.example:8080'",
    "url('https://a.example:8080/p').getHostname() == 'a.example' && url('https://a:80/p').getPort() == '80'",
    "url('https://a/p').getScheme() == 'https' && url('https://a/p').getEscapedPath() == '/p'",
    "url('https://a/?q=1').getQuery()['q'] == ['1']",
    "isQuantity('1Gi') && !isQuantity('1 Gi') && quantity('1Gi').isGreaterThan(quantity('1000M'))",
    "quantity('500m').isLessThan(quantity('1')) && quantity('1k').compareTo(quantity('1000')) == 0",
    "quantity('2').add(quantity('1')).asInteger() == 3 && quantity('-1').sign() == -1 && !quantity('1m').isInteger()",
    "format.dns1123Label().validate('web') == null && format.dns1123Label().validate('a.b') != null",
    "!format.dns1123Subdomain().validate('a.b').hasValue() && format.uuid().validate('x').hasValue()",
    "optional.of(1).hasValue() && !optional.none().hasValue() && optional.none().orValue(2) == 2",
    "duration('90s') == duration('1m30s') && duration('1h').getSeconds() == 3600",
    "timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-02T00:00:00Z')",
    "[1, 2, 2].exists_one(x, x == 1) && ![1, 2, 2].exists_one(x, x == 2) && [1, 2].map(x, x * 2) == [2, 4]",
    "self.missing > 1 || true",
    "self.missing == self.missing || true",
]


@pytest.mark.parametrize("expression", TRUE)
def test_kubernetes_functions(expression: str) -> None:
    assert cel.compiled(expression).evaluate({"self": {}}) is True


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("self.unknown(1)", "unknown functions: unknown"),
        ("self.x ==", "parse"),
        ("", "parse"),
        ("self.?x.hasValue()", "parse"),
        ("cel.bind(x, 1, x > 0)", "unknown functions: bind"),
        ("(" * 500 + "true" + ")" * 500, "parse"),
        ("true || " * 20_000 + "true", "longer than"),
    ],
)
def test_what_is_not_known_is_refused_at_once(expression: str, why: str) -> None:
    with pytest.raises(cel.NotCompiledError, match=why):
        cel.compiled(expression)


@pytest.mark.parametrize(
    "expression", ["self.missing > 1", "self.list[5] == 1", "1 / 0 == 1", "'a' > 1", "ip('x').family() == 4"]
)
def test_a_failure_on_a_value_is_an_evaluation_error(expression: str) -> None:
    with pytest.raises(cel.EvaluationError):
        cel.compiled(expression).evaluate({"self": {"list": []}})


@pytest.mark.parametrize(
    ("expression", "depth"),
    [
        ("self.x > 1", 0),
        ("self.all(x, x > 1) && self.exists(y, y == 2)", 1),
        ("self.all(x, self.exists_one(y, x == y))", 2),
        ("self.all(x, size(self.filter(y, (y > x))) > 1)", 2),
        ("self == 'all(exists(map('", 0),
    ],
)
def test_the_cost_of_an_expression_follows_the_depth_of_its_macros(expression: str, depth: int) -> None:
    assert cel.compiled(expression).depth == depth


def test_an_expression_names_the_variables_that_it_reads() -> None:
    assert "oldSelf" in cel.compiled("self == oldSelf").variables
    assert "oldSelf" not in cel.compiled("self == 'oldSelf'").variables


def test_optionals_and_json_values_pass_through() -> None:
    values: dict[str, Any] = {"self": {"a": [1, 2.5, None, "x", {"b": True}]}}
    assert cel.compiled("self.a").evaluate(values) == values["self"]["a"]
    assert cel.compiled("oldSelf.hasValue()").evaluate({"oldSelf": cel.optional(None)}) is False
    assert cel.compiled("oldSelf.value().a").evaluate({"oldSelf": cel.optional({"a": 1})}) == 1

"""Annotations: values, refusals, bounds."""

from __future__ import annotations

import pytest

from podwire.edge.ingress.annotations.grammar import Location
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings, read
from podwire.edge.ingress.annotations.table import TABLE, Support
from tests.edge.ingress.objects import PREFIX


def settings(**annotations: str) -> Settings:
    found = read({PREFIX + name.replace("_", "-"): value for name, value in annotations.items()})
    assert not found.problems
    return found.settings


def reasons(**annotations: str) -> list[str]:
    found = read({PREFIX + name.replace("_", "-"): value for name, value in annotations.items()})
    assert found.settings == DEFAULTS
    return [one.reason for one in found.problems]


def test_every_honoured_annotation_has_a_field() -> None:
    honoured = {one.field for one in TABLE.values() if one.support is not Support.REFUSED}
    assert honoured == set(Settings.__struct_fields__)
    assert all(one.grammar is not None for one in TABLE.values() if one.support is not Support.REFUSED)
    assert all(one.note for one in TABLE.values() if one.support is not Support.EXACT)


def test_values_are_read_under_both_prefixes_and_the_first_prefix_wins() -> None:
    assert read({"podwire.dev/use-regex": "true"}).settings.use_regex
    both = {"podwire.dev/app-root": "/ours", f"{PREFIX}app-root": "/theirs"}
    assert read(both).settings.app_root == "/theirs"
    assert read({"example.com/use-regex": "what"}).problems == ()


def test_values_have_their_types() -> None:
    assert settings(proxy_read_timeout="3600s").proxy_read_timeout == 3600.0
    assert settings(canary_weight="30").canary_weight == 30
    assert settings(cors_allow_methods="get, PUT").cors_allow_methods == ("GET", "PUT")
    assert settings(whitelist_source_range="10.1.2.3/8, 2001:db8::1").allowlist_source_range == (
        "10.0.0.0/8",
        "2001:db8::1/128",
    )
    wanted = Location("https", "new.example.com", 8443, "/base", keeps_uri=True)
    assert settings(permanent_redirect="https://new.example.com:8443/base/$request_uri").permanent_redirect == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_regex", "yes"),
        ("canary_weight", "-1"),
        ("canary_weight", "30%"),
        ("proxy_read_timeout", "1 minute"),
        ("app_root", "relative"),
        ("app_root", "/a;\nreturn 200"),
        ("rewrite_target", "/$request_uri"),
        ("rewrite_target", "/a b"),
        ("permanent_redirect", "javascript:alert(1)"),
        ("permanent_redirect", "https://x/$http_cookie"),
        ("permanent_redirect", "https://user@x/"),
        ("permanent_redirect_code", "200"),
        ("canary_by_header", "x: y\r\nevil"),
        ("canary_by_header_pattern", "(?=look)"),
        ("canary_by_header_pattern", "a" * 2000),
        ("upstream_vhost", "a.example.com\nb"),
        ("session_cookie_path", "/;Secure x"),
        ("cors_allow_origin", "https://*evil"),
        ("backend_protocol", "FCGI"),
        ("server_alias", "*.example.com"),
        ("x_forwarded_prefix", "/a\r\nHost: b"),
    ],
)
def test_what_the_grammar_does_not_have_is_reported_and_has_no_effect(name: str, value: str) -> None:
    assert reasons(**{name: value}) == ["InvalidAnnotation"]


def test_what_is_not_honoured_is_reported() -> None:
    assert reasons(configuration_snippet="return 200;") == ["UnsupportedAnnotation"]
    assert reasons(rewrite_targt="/") == ["UnknownAnnotation"]


@pytest.mark.parametrize("name", ["allowlist-source-range", "whitelist-source-range", "denylist-source-range"])
def test_an_invalid_value_that_protects_denies_all(name: str) -> None:
    assert read({PREFIX + name: "10.0.0.0/99"}).denied
    assert not read({PREFIX + name: "10.0.0.0/9"}).denied


@pytest.mark.parametrize("name", ["auth-tls-secret", "auth-url"])
def test_protection_that_is_not_supported_denies_all(name: str) -> None:
    found = read({PREFIX + name: "https://auth.example.com/check"})
    assert "503" in found.denied
    assert [one.reason for one in found.problems] == ["UnsupportedAnnotation"]
    assert not read({PREFIX + "enable-access-log": "false"}).denied

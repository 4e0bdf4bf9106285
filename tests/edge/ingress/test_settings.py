"""Annotations: values, refusals, bounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import podwire.edge
from podwire.edge.ingress.annotations import templates
from podwire.edge.ingress.annotations.grammar import Location
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings, read
from podwire.edge.ingress.annotations.table import PREFIXES, TABLE, Support
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
    found = settings(permanent_redirect="https://new.example.com:8443/base/$request_uri").permanent_redirect
    assert templates.location(found) == wanted
    other = settings(permanent_redirect="https://new.example.com/base$uri").permanent_redirect
    assert templates.location(other) is None
    assert settings(auth_cache_duration="200 401 5m, 404 10s").auth_cache_duration == (
        ("200", 300.0),
        ("401", 300.0),
        ("404", 10.0),
    )
    assert settings(ssl_ciphers="HIGH:ECDHE-RSA-AES128-GCM-SHA256:!aNULL").ssl_ciphers == (
        "ECDHE-RSA-AES128-GCM-SHA256",
    )
    hashed = settings(upstream_hash_by="$request_uri-$http_x_user").upstream_hash_by
    assert [(one.variable, one.name) for one in hashed] == [("request_uri", ""), ("http", "x-user")]


def test_urls_of_services() -> None:
    found = settings(auth_url="https://$host/oauth2/auth?x=$arg_x").auth_url
    assert found is not None
    assert (found.host, found.port, found.fixed_path) == ("", 443, "/oauth2/auth")
    found = settings(mirror_target="http://10.1.2.3:8080$request_uri").mirror_target
    assert found is not None
    assert (found.host, found.port, found.fixed_path) == ("10.1.2.3", 8080, "/")


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
        ("permanent_redirect", "https://x/$nothing"),
        ("permanent_redirect", "https://x/$"),
        ("mirror_target", "http://localhost/"),
        ("mirror_target", "http://127.0.0.1:19001/"),
        ("mirror_target", "http://169.254.169.254/latest"),
        ("mirror_target", "http://[::1]/"),
        ("mirror_target", "http://a$host/"),
        ("mirror_target", "ftp://a/"),
        ("mirror_target", "http://a:0/"),
        ("upstream_hash_by", "constant"),
        ("proxy_redirect_from", "~^http://(.*)$"),
        ("proxy_cookie_path", "/one"),
        ("auth_cache_duration", "200"),
        ("custom_http_errors", "200"),
        ("proxy_buffer_size", "1m"),
        ("session_cookie_samesite", "none; Secure"),
        ("session_cookie_domain", "a;b"),
        ("permanent_redirect", "https://user@x/"),
        ("permanent_redirect_code", "200"),
        ("ssl_prefer_server_ciphers", "false"),
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
    assert reasons(rewrite_targt="/") == ["UnknownAnnotation"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", [one.name for one in TABLE.values() if one.support is Support.REFUSED])
def test_each_refused_annotation_is_reported_with_its_reason(name: str, prefix: str) -> None:
    (problem,) = read({f"{prefix}{name}": "true"}).problems
    assert (problem.reason, problem.annotation) == ("UnsupportedAnnotation", f"{prefix}{name}")
    assert TABLE[name].note in problem.message


VALUES = ("off", "on", "true", "false", "3")
"""At least one of them is a value of each annotation that has no effect."""


@pytest.mark.parametrize("name", [one.name for one in TABLE.values() if one.only is not None])
def test_a_value_that_has_no_effect_is_reported(name: str) -> None:
    found = [read({PREFIX + name: text}).problems for text in VALUES]
    assert any(one and one[0].reason == "UnsupportedAnnotation" for one in found)
    assert any(not one for one in found) is bool(TABLE[name].only), "what happens in any case is no problem"


def test_a_value_that_nothing_reads_is_one_of_few() -> None:
    """What has a single effect is honoured: another value is not valid, or reported as without effect."""
    edge = Path(podwire.edge.__file__).parent
    readers = "".join(one.read_text() for one in edge.rglob("*.py") if one.parent.name != "annotations")
    unread = {one for one in Settings.__struct_fields__ if not re.search(rf"\b{one}\b", readers)}
    ignored = {one.field for one in TABLE.values() if one.only is not None}
    single = {"connection_proxy_header", "preserve_trailing_slash", "proxy_http_version", "ssl_prefer_server_ciphers"}
    either = {"affinity_mode", "proxy_buffer_size"}
    assert unread == ignored | single | either


@pytest.mark.parametrize("name", ["allowlist-source-range", "whitelist-source-range", "denylist-source-range"])
def test_an_invalid_value_that_protects_denies_all(name: str) -> None:
    assert read({PREFIX + name: "10.0.0.0/99"}).denied
    assert not read({PREFIX + name: "10.0.0.0/9"}).denied


@pytest.mark.parametrize(
    ("name", "value", "of_host"),
    [
        ("auth-tls-secret", "a b", True),
        ("auth-tls-verify-client", "maybe", True),
        ("auth-tls-match-cn", "(?=a)", True),
        ("auth-url", "file:///etc/passwd", False),
        ("auth-method", "STEAL", False),
        ("auth-type", "digest", False),
        ("auth-snippet", "return 200;", False),
        ("satisfy", "none", False),
        ("proxy-ssl-verify", "yes", False),
    ],
)
def test_protection_that_cannot_be_honoured_denies_all(name: str, value: str, of_host: bool) -> None:
    found = read({PREFIX + name: value})
    assert found.denied
    assert found.denies_host is of_host
    assert not read({PREFIX + "enable-access-log": "x"}).denied

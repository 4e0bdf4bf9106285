"""The ConfigMap of all Ingresses: values, refusals, and what it does to each Ingress."""

from __future__ import annotations

import pytest

from podwire.edge.ingress.access import rate
from podwire.edge.ingress.annotations.annotation import Support
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.listeners import proxy_options
from podwire.edge.ingress.options.options import Options
from podwire.edge.ingress.options.reading import ReadOptions, read
from podwire.edge.ingress.options.table import DEFAULTS, TABLE
from podwire.edge.model.listeners import Compression, LogFormat
from podwire.kube.meta import NamespacedName
from tests.edge.ingress.objects import ingress, path

KEY = NamespacedName("shop", "a")


def options(**values: str) -> Options:
    found = read({name.replace("_", "-"): value for name, value in values.items()})
    assert not found.problems
    return found.options


def test_every_honoured_key_has_a_field_and_every_other_a_reason() -> None:
    honoured = {one.field for name, one in TABLE.items() if one.support is not Support.REFUSED and name not in DEFAULTS}
    assert honoured == set(Options.__struct_fields__)
    assert all(one.note for one in TABLE.values() if one.support is not Support.EXACT)
    assert read({}) == ReadOptions()


def test_a_key_that_has_no_effect_is_reported() -> None:
    assert [one.reason for one in read({"proxy-buffering": "on"}).problems] == ["UnsupportedOption"]
    assert not read({"proxy-buffering": "off"}).problems


def test_values_of_the_proxy() -> None:
    found = proxy_options(
        options(
            use_gzip="true", gzip_level="5", enable_brotli="true", disable_access_log="true", keep_alive="75",
            use_forwarded_headers="true", enable_underscores_in_headers="true", gzip_types="text/html *",
        )
    )  # fmt: skip
    assert found.compressions == (Compression("br", 4, 20), Compression("gzip", 5, 256))
    assert (found.access_log, found.idle_timeout, found.allows_underscores) == (LogFormat.NONE, 75.0, True)
    assert (found.trusted_hops, found.trusted_ranges) == (1, ())
    ranges = proxy_options(options(use_forwarded_headers="true", proxy_real_ip_cidr="10.0.0.0/8"))
    assert (ranges.trusted_hops, ranges.trusted_ranges) == (0, ("10.0.0.0/8",))
    assert proxy_options(options(proxy_real_ip_cidr="10.0.0.0/8")).trusted_ranges == ()


def test_limits_have_their_own_status() -> None:
    found = Ingresses((), without_class=True)
    found.put(ingress("a", path("/"), limit_rps="1"))
    settings = found.claims[KEY].settings
    limits = [rate(settings, one) for one in (options(), options(limit_req_status_code="429"))]
    assert [one.status for one in limits if one] == [503, 429]


def test_strict_transport_security() -> None:
    assert options().strict_transport_security == "max-age=31536000; includeSubDomains"
    assert options(hsts="false").strict_transport_security == ""
    own = options(hsts_max_age="60", hsts_include_subdomains="false", hsts_preload="true")
    assert own.strict_transport_security == "max-age=60; preload"


def test_defaults_of_annotations_and_blocked_words() -> None:
    found = Ingresses((), without_class=True)
    found.put(ingress("a", path("/"), proxy_read_timeout="5", app_root="/secret"))
    assert found.claims[KEY].settings.proxy_body_size == 1 << 20
    words = {
        "proxy-body-size": "8m",
        "proxy-read-timeout": "9",
        "annotation-value-word-blocklist": "secret,load_module",
    }
    assert found.configure(read(words)) == {"app.example.com"}
    settings = found.claims[KEY].settings
    assert (settings.proxy_body_size, settings.proxy_read_timeout, settings.app_root) == (8 << 20, 5.0, "")
    assert [one.reason for one in found.claims[KEY].read.problems] == ["InvalidAnnotation"]
    assert found.configure(read(words)) == frozenset()
    found.configure(read({}))
    assert found.claims[KEY].settings.app_root == "/secret"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("whitelist-source-range", "10.0.0.0/99", "InvalidOption"),
        ("global-auth-url", "file:///etc/passwd", "InvalidOption"),
        ("ssl-protocols", "SSLv3", "InvalidOption"),
        ("block-cidrs", "10.0.0.0/8", "UnsupportedOption"),
    ],
)
def test_protection_that_cannot_be_honoured_closes_all(name: str, value: str, reason: str) -> None:
    found = read({name: value})
    assert [one.reason for one in found.problems] == [reason]
    ingresses = Ingresses((), without_class=True)
    ingresses.put(ingress("a", path("/")))
    ingresses.configure(found)
    assert name in ingresses.claims[KEY].read.denied


@pytest.mark.parametrize(("name", "value"), [("http-snippet", "x;"), ("hst", "true"), ("hsts", "x" * 5000)])
def test_other_keys_have_no_effect(name: str, value: str) -> None:
    found = read({name: value})
    assert (len(found.problems), found.denied, found.options) == (1, "", Options())

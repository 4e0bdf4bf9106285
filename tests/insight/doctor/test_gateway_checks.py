"""Findings about the Gateway API."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.apiserver.definitions import bundle
from podwire.insight.doctor import gateway_checks
from podwire.insight.doctor.examine import examine
from podwire.insight.doctor.gateway_facts import (
    ClassFact,
    EnvoyFact,
    GatewayFact,
    GatewayFacts,
    Parent,
    ParentReference,
    RouteFact,
)
from podwire.insight.doctor.node_facts import Expiry
from podwire.insight.doctor.report import Level
from podwire.kube.meta import Condition, NamespacedName
from tests.insight.doctor.scene import NOW, YEAR, cluster

PUBLIC = NamespacedName("edge", "public")
DAY = 86400


def conditions(*wrong: str, **reasons: str) -> tuple[Condition, ...]:
    kinds = ("Accepted", "Programmed", "ResolvedRefs")
    return tuple(
        Condition(
            type=kind, status="False" if kind in wrong else "True", reason=reasons.get(kind, "Because"), message="words"
        )
        for kind in kinds
    )


def route(*wrong: str) -> RouteFact:
    parent = Parent("podwire.io/gateway-controller", ParentReference("public", "edge"), conditions(*wrong))
    return RouteFact("HTTPRoute", NamespacedName("shop", "blog"), (parent,))


WELL = GatewayFacts(
    {"v1.6.3 standard": ("gateways",)},
    True,
    (ClassFact("podwire", conditions()),),
    (GatewayFact(PUBLIC, conditions(), (("http", conditions()),)),),
    (route(),),
    (EnvoyFact(NamespacedName("podwire-system", "envoy-1")),),
    (("Secret edge/web", Expiry("certificate", NOW + YEAR)),),
)


def found(facts: GatewayFacts | None) -> list[tuple[Level, str, str]]:
    report = examine("x", cluster(gateways=facts))
    return [(one.level, one.object, one.finding) for one in report.findings if one.check == "gateways"]


@pytest.mark.parametrize(
    "facts", [WELL, None, GatewayFacts()], ids=["served", "not read", "neither kinds nor programs"]
)
def test_nothing_is_found_where_nothing_is_wrong(facts: GatewayFacts | None) -> None:
    assert found(facts) == []


@pytest.mark.parametrize(
    ("changes", "level", "place", "words"),
    [
        ({"releases": {}, "classes": ()}, Level.ERROR, "the Gateway API", "its kinds are not served"),
        ({"releases": {"v1.5.1 standard": ("a",)}}, Level.WARNING, "the Gateway API", "of v1.5.1 standard, podwire is"),
        (
            {"releases": {"v1.5.1 standard": ("a",), "v1.6.3 standard": ("b", "c")}},
            Level.WARNING,
            "the Gateway API",
            "(v1.5.1 standard: 1; v1.6.3 standard: 2)",
        ),
        ({"classes": (), "gateways": ()}, Level.ERROR, "the Gateway API", "no GatewayClass"),
        (
            {"classes": (ClassFact("podwire", conditions("Accepted")),)},
            Level.ERROR,
            "GatewayClass podwire",
            "it is not accepted: Because: words",
        ),
        ({"classes": (ClassFact("podwire"),)}, Level.ERROR, "GatewayClass podwire", "has not written its status"),
        (
            {"envoys": (EnvoyFact(NamespacedName("podwire-system", "envoy-1"), "ImagePullBackOff"),)},
            Level.ERROR,
            "pod podwire-system/envoy-1",
            "ImagePullBackOff",
        ),
        (
            {"gateways": (GatewayFact(PUBLIC, conditions("Accepted", "Programmed")),)},
            Level.ERROR,
            "Gateway edge/public",
            "it is not accepted",
        ),
        (
            {"gateways": (GatewayFact(PUBLIC, conditions("Programmed")),)},
            Level.ERROR,
            "Gateway edge/public",
            "it is not programmed: Because: words",
        ),
        (
            {"gateways": (GatewayFact(PUBLIC, conditions(), (("https", conditions("ResolvedRefs")),)),)},
            Level.WARNING,
            "Gateway edge/public",
            "its listener https is not served",
        ),
        ({"routes": (route("Accepted"),)}, Level.WARNING, "HTTPRoute shop/blog", "it is not served at public"),
        (
            {"certificates": (("Secret edge/web", Expiry("certificate", NOW + DAY)),)},
            Level.WARNING,
            "Secret edge/web",
            "the certificate expires at",
        ),
        (
            {"certificates": (("Secret edge/web", Expiry("certificate", NOW - DAY)),)},
            Level.ERROR,
            "Secret edge/web",
            "the certificate expired at",
        ),
    ],
)
def test_one_finding_for_each_fault(changes: dict[str, Any], level: Level, place: str, words: str) -> None:
    ((seen, where, finding),) = found(msgspec.structs.replace(WELL, **changes))
    assert (seen, where) == (level, place)
    assert words in finding


def test_kinds_of_another_controller_are_not_judged() -> None:
    facts = msgspec.structs.replace(WELL, is_installed=False, classes=(), routes=(route("Accepted"),))
    assert found(facts) == []


def test_the_release_is_the_one_that_ships() -> None:
    annotations = bundle.definitions("standard")[0]["metadata"]["annotations"]
    assert annotations["gateway.networking.k8s.io/bundle-version"] == gateway_checks.RELEASE

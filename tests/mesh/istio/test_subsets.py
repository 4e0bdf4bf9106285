"""Routes of Istio to subsets, and rules that would mean something else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.mesh.istio.conversion import converted
from podwire.mesh.istio.surroundings import surroundings
from podwire.mesh.istio.written import Converted

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{port: 9080, name: http, nodePort: 30000}], selector: {app: reviews}}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: {mode: ISTIO_MUTUAL}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""
JASON = "{match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: reviews, subset: v2}}]}"
V1 = "{destination: {host: reviews, subset: v1}, weight: 90}"
V2 = "{destination: {host: reviews, subset: v2}, weight: 10}"


def convert(rules: str, *others: str) -> Converted:
    value = {"metadata": {"name": "reviews"}, "spec": {"hosts": ["reviews"], "http": yaml.safe_load(rules)}}
    return converted("VirtualService", value, surroundings(map(yaml.safe_load, others)))


def rules_of(found: Converted) -> list[dict[str, Any]]:
    assert found.lost == ()
    (route,) = found.objects
    msgspec.convert(route, HTTPRoute)
    rules: list[dict[str, Any]] = route["spec"]["rules"]
    return rules


def test_a_subset_is_a_service_of_its_pods() -> None:
    found = converted("DestinationRule", yaml.safe_load(RULE), surroundings(map(yaml.safe_load, (SERVICE, RULE))))
    assert found.lost == ()
    assert [one["kind"] for one in found.objects] == ["Service", "Service"]
    assert found.objects[0]["metadata"] == {"name": "reviews-v1", "namespace": "default"}
    assert found.objects[0]["spec"] == {
        "selector": {"app": "reviews", "version": "v1"}, "ports": [{"name": "http", "port": 9080}],
    }  # fmt: skip


def test_routes_by_header_and_by_weight_name_the_services_of_subsets() -> None:
    by_header, others = rules_of(convert(f"[{JASON}, {{route: [{V1}, {V2}]}}]", SERVICE, RULE))
    assert by_header["backendRefs"] == [{"name": "reviews-v2", "port": 9080}]
    assert others["backendRefs"] == [
        {"name": "reviews-v1", "port": 9080, "weight": 90}, {"name": "reviews-v2", "port": 9080, "weight": 10},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("others", "remedy"), [((RULE,), "write Service reviews-v2 whose"), ((SERVICE,), "add its DestinationRule")]
)
def test_a_route_to_an_unknown_subset_is_left_out_whole(others: tuple[str, ...], remedy: str) -> None:
    found = convert(f"[{JASON}, {{route: [{{destination: {{host: reviews, port: {{number: 9080}}}}}}]}}]", *others)
    assert found.objects == ()
    assert [field for field, _ in found.lost] == ["spec.http[0]", "spec"]
    assert remedy in found.lost[0][1]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("headers: {a: {exact: x}}", "uri: {prefix: /api}", False),
        ("uri: {prefix: /a}", "uri: {exact: /a/b}", False),
        ("uri: {prefix: /a}", "uri: {regex: /a.*}", False),
        ("uri: {prefix: /api}", "headers: {a: {exact: x}}", True),
        ("uri: {prefix: /a}", "uri: {prefix: /bcd}", True),
        ("headers: {a: {exact: x}}", "{uri: {prefix: /api}, headers: {a: {exact: y}}}", True),
    ],
)
def test_rules_that_the_gateway_api_would_apply_in_another_order_are_left_out(
    first: str, second: str, is_same: bool
) -> None:
    route = "route: [{destination: {host: reviews}}]"
    matches = [one if one.startswith("{") else f"{{{one}}}" for one in (first, second)]
    found = convert(
        ", ".join(("[" + f"{{match: [{matches[0]}], {route}}}", f"{{match: [{matches[1]}], {route}}}]")), SERVICE
    )
    assert bool(found.objects) is is_same
    assert bool(found.lost) is not is_same


def test_a_mirror_gets_a_copy() -> None:
    text = (
        "[{route: [{destination: {host: reviews}}], mirror: {host: reviews, subset: v2}, mirrorPercentage: {value: 5}}]"
    )
    (rule,) = rules_of(convert(text, SERVICE, RULE))
    mirror = {"backendRef": {"name": "reviews-v2", "port": 9080}, "percent": 5}
    assert rule["filters"] == [{"type": "RequestMirror", "requestMirror": mirror}]
    assert "whole number" in convert(text.replace("5}", "0.5}"), SERVICE, RULE).lost[0][1]


def test_a_route_of_gateways_alone_is_not_for_the_mesh() -> None:
    spec = {"hosts": ["reviews"], "gateways": ["g"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}
    around = surroundings([yaml.safe_load(SERVICE)])
    assert converted("VirtualService", {"metadata": {"name": "r"}, "spec": spec}, around).objects == ()
    spec["gateways"] = ["g", "mesh"]
    assert len(converted("VirtualService", {"metadata": {"name": "r"}, "spec": spec}, around).objects) == 1


def test_an_exact_path_is_replaced_whole() -> None:
    route = "route: [{destination: {host: reviews}}], rewrite: {uri: /y}"
    (rule,) = rules_of(convert(f"[{{match: [{{uri: {{exact: /x}}}}], {route}}}]", SERVICE))
    assert rule["filters"][0]["urlRewrite"]["path"] == {"type": "ReplaceFullPath", "replaceFullPath": "/y"}

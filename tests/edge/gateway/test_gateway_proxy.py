"""Which proxy a Gateway has, with which parameters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.gateway_problems import gateway_problems
from podwire.edge.gateway.gateway_proxy import INGRESS, class_problem, gateway_proxy, proxy_name
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.objects import Objects
from podwire.edge.xds.proxy import LONGEST_NAME
from podwire.kube.core import ConfigMap
from podwire.kube.gateway_api import CONTROLLER_NAME


def config_map(namespace: str, name: str, **data: str) -> ConfigMap:
    found = {one.replace("_", "-"): value for one, value in data.items()}
    return msgspec.convert({"metadata": {"namespace": namespace, "name": name}, "data": found}, ConfigMap)


def gateway(reference: str = "", name: str = "gw", gateway_class: str = "edge", **given: str) -> Gateway:
    fields = {"group": "", "kind": "ConfigMap", "name": reference, **given}
    infrastructure = {"parametersRef": fields} if reference else {}
    spec = {"gatewayClassName": gateway_class, "infrastructure": infrastructure}
    return msgspec.convert({"metadata": {"namespace": "shop", "name": name}, "spec": spec}, Gateway)


def gateway_class(reference: dict[str, Any] | None = None) -> GatewayClass:
    spec: dict[str, Any] = {"controllerName": CONTROLLER_NAME}
    if reference is not None:
        spec["parametersRef"] = {"group": "", "kind": "ConfigMap", **reference}
    return msgspec.convert({"metadata": {"name": "edge"}, "spec": spec}, GatewayClass)


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.put("GatewayClass", gateway_class({"namespace": "infra", "name": "all"}))
    found.put("ConfigMap", config_map("infra", "all", replicas="2", http3="true"))
    found.put("ConfigMap", config_map("shop", "own", replicas="3", cpu="1"))
    found.put("ConfigMap", config_map("shop", "bad", replicas="many"))
    return found


def test_gateways_of_a_class_share_a_proxy_unless_they_have_parameters(objects: Objects) -> None:
    shared, own = gateway_proxy(gateway(), objects), gateway_proxy(gateway("own"), objects)
    assert shared.name == "edge"
    assert (shared.parameters.replicas, shared.parameters.options.http3) == (2, True)
    assert own.name.startswith("gw-")
    assert (own.parameters.replicas, own.parameters.cpu, own.parameters.options.http3) == (3, "1", True)


def test_names_of_proxies_differ_and_are_short_enough() -> None:
    names = [proxy_name(gateway("own", name)) for name in ("a", "b", "a" * 250, "a" * 249 + "b", "a.b", "a-" * 100)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LONGEST_NAME - len("envoy-")
    assert len({gateway_proxy(gateway("own"), Objects()).name, gateway_proxy(gateway("bad"), Objects()).name}) == 1


def test_a_class_of_any_name_has_a_proxy_that_is_not_the_one_of_ingresses() -> None:
    names = [proxy_name(gateway(gateway_class=one)) for one in ("edge", "c" * 253, "c" * 252 + "d", INGRESS)]
    assert names[0] == "edge"
    assert len({*names, INGRESS}) == 5
    assert max(map(len, names)) <= LONGEST_NAME - len("envoy-")


@pytest.mark.parametrize(
    ("reference", "given", "text"),
    [
        ("bad", {}, "ConfigMap shop/bad: data[replicas]: 'many' is no whole number from 1 to 100"),
        ("absent", {}, "ConfigMap shop/absent does not exist: create it"),
        ("own", {"kind": "Secret"}, "core/Secret is not supported: refer to a ConfigMap"),
        ("own", {"group": "example.org", "kind": "ConfigMap"}, "example.org/ConfigMap is not supported"),
    ],
)
def test_invalid_parameters_are_a_condition_of_the_gateway(
    objects: Objects, reference: str, given: dict[str, str], text: str
) -> None:
    one = gateway(reference, **given)
    problem = gateway_proxy(one, objects).problem
    assert problem is not None
    assert (problem.type, problem.status, problem.reason) == ("Accepted", "False", "InvalidParameters")
    assert problem.message.startswith("spec.infrastructure.parametersRef: ")
    assert text in problem.message
    assert problem in gateway_problems(one, objects)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (None, ""),
        ({"namespace": "infra", "name": "all"}, ""),
        ({"namespace": "shop", "name": "bad"}, "spec.parametersRef: ConfigMap shop/bad: data[replicas]"),
        ({"name": "all"}, "no namespace"),
        ({"kind": "Secret", "namespace": "infra", "name": "all"}, "not supported"),
    ],
)
def test_parameters_of_a_class_are_checked_for_all_its_gateways(
    objects: Objects, reference: dict[str, Any] | None, text: str
) -> None:
    item = gateway_class(reference)
    objects.put("GatewayClass", item)
    found = class_problem(item, objects)
    assert text in found
    assert bool(found) == bool(text)
    problem = gateway_proxy(gateway(), objects).problem
    assert (problem is not None) == bool(text)
    assert problem is None or problem.message.startswith("GatewayClass edge: spec.parametersRef")

from typing import Any

import pytest

from podwire.apiserver import validation
from tests.apiserver.validation.objects import REGISTRY, kind, make


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "v1 Service",
            "spec.ports.0.port",
            "80",
            "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32",
        ),
        (
            "v1 Service",
            "spec.ports",
            {"port": 80},
            "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort",
        ),
        (
            "v1 Pod",
            "metadata.labels",
            {"a": True},
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            "v1 Pod",
            "spec.containers.0.env",
            [{"name": "A", "value": 1}],
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            "apps/v1 Deployment",
            "spec.replicas",
            1.5,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps/v1 Deployment",
            "spec.replicas",
            2**31,
            "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ("v1 Pod", "spec", "x", "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"),
        ("v1 Secret", "data", {"a": "%"}, "illegal base64 data at input byte 0"),
        (
            "v1 Pod",
            "spec.containers.0.resources",
            {"limits": {"cpu": "much"}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_values_of_the_wrong_type_are_reported_as_by_go(name: str, path: str, value: Any, expected: str) -> None:
    assert validation.mistyped(kind(name), make(name, {path: value})) == expected


@pytest.mark.parametrize("value", [80, "http"])
def test_a_port_may_be_a_number_or_a_name(value: Any) -> None:
    assert validation.mistyped(kind("v1 Service"), make("v1 Service", {"spec.ports.0.targetPort": value})) == ""


def test_nulls_count_as_absent() -> None:
    obj = make("v1 Service")
    obj["spec"]["clusterIP"] = obj["status"] = None
    assert validation.mistyped(kind("v1 Service"), obj) == ""


@pytest.mark.proves("field-validation")
def test_unknown_fields_are_reported_with_their_paths() -> None:
    obj = make("apps/v1 Deployment", {"spec.foo": 1, "bar": 2})
    obj["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    obj["metadata"]["labels"] = {"anything": "goes"}
    assert validation.unknown_fields(kind("apps/v1 Deployment"), obj) == [
        'unknown field "spec.template.spec.containers[0].imagee"',
        'unknown field "spec.foo"',
        'unknown field "bar"',
    ]
    assert validation.unknown_fields(kind("apps/v1 Deployment"), make("apps/v1 Deployment")) == []


def test_a_required_number_may_be_absent_and_counts_as_zero() -> None:
    resource = REGISTRY.by_kind("scheduling.k8s.io/v1", "PriorityClass")
    assert resource is not None
    assert validation.validate(resource, {"metadata": {"name": "low"}}) == []


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("ten", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("1Kib", "quantities must match the regular expression"),
        ("1KK", "unable to parse quantity's suffix"),
        ("1Gi", ""),
        (" 5 ", ""),
    ],
)
def test_a_quantity_that_go_cannot_read_is_refused(amount: str, expected: str) -> None:
    obj = make("v1 Pod", {"spec.containers.0.resources": {"limits": {"memory": amount}}})
    found = validation.mistyped(kind("v1 Pod"), obj)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)

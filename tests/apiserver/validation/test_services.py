from typing import Any

import pytest

from podwire.apiserver import defaults, validation
from podwire.apiserver.base.field_errors import summary
from tests.apiserver.validation.objects import kind, make, problems


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Service", "spec.ports", [], "spec.ports: Required value"),
        (
            "v1 Service",
            "spec.ports.0.port",
            70000,
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            "v1 Service",
            "spec.ports.0.protocol",
            "ICMP",
            'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            "v1 Service",
            "spec.ports.0.targetPort",
            "no_name",
            (
                'spec.ports[0].targetPort: Invalid value: "no_name": must contain only alpha-numeric characters '
                "(a-z, 0-9), and hyphens (-)"
            ),
        ),
        (
            "v1 Service",
            "spec.type",
            "Public",
            (
                'spec.type: Unsupported value: "Public": supported values: "ClusterIP", "ExternalName", '
                '"LoadBalancer", "NodePort"'
            ),
        ),
        (
            "v1 Service",
            "spec.clusterIP",
            "10.96.0.010",
            'spec.clusterIPs[0]: Invalid value: "10.96.0.010": must not have leading 0s',
        ),
        (
            "v1 Service",
            "spec.externalIPs",
            ["127.0.0.1"],
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
        (
            "v1 Service",
            "spec.ports.0.nodePort",
            30000,
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.proves("immutable-fields")
def test_an_address_may_not_change() -> None:
    held = {"spec.clusterIP": "10.96.0.8", "spec.clusterIPs": ["10.96.0.8"], "spec.ipFamilies": ["IPv4"]}
    wanted = {**held, "spec.clusterIP": "10.96.0.9", "spec.clusterIPs": ["10.96.0.9"]}
    assert 'spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set' in problems(
        "v1 Service", wanted, make("v1 Service", held)
    )


@pytest.mark.proves("service-defaults")
def test_several_ports_need_names_that_differ() -> None:
    assert problems("v1 Service", {"spec.ports": [{"port": 80}, {"port": 81, "name": "b"}]}) == [
        "spec.ports[0].name: Required value"
    ]
    assert problems("v1 Service", {"spec.ports": [{"port": 80, "name": "b"}, {"port": 81, "name": "b"}]}) == [
        'spec.ports[1].name: Duplicate value: "b"'
    ]
    assert problems("v1 Service", {"spec.ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}) == [
        (
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,'
            '"TargetPort":0,"NodePort":0}'
        )
    ]


@pytest.mark.proves("schema-messages")
def test_a_whole_refusal_is_worded_as_upstreams() -> None:
    resource, obj = kind("v1 Service"), make("v1 Service", {"spec.ports.0.port": 0})
    defaults.apply(resource, obj)
    causes = validation.validate(resource, obj)
    assert summary(resource.qualified_kind, "web", causes[:1]) == (
        'Service "web" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive'
    )
    assert causes[0].message == "Invalid value: 0: must be between 1 and 65535, inclusive"
    assert causes[0].reason == "FieldValueInvalid"

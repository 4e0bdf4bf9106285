from typing import Any

import pytest

from podwire.apiserver import defaults, validation
from tests.apiserver.validation.objects import BASE, kind, make, problems

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Pod", "spec.containers", [], "spec.containers: Required value"),
        ("v1 Pod", "spec.containers.0.image", "", "spec.containers[0].image: Required value"),
        ("v1 Pod", "spec.containers.0.name", "a_b", f'spec.containers[0].name: Invalid value: "a_b": {LABEL}'),
        (
            "v1 Pod",
            "spec.containers.0.volumeMounts",
            [{"name": "data", "mountPath": "/data"}],
            'spec.containers[0].volumeMounts[0].name: Not found: "data"',
        ),
        (
            "v1 Pod",
            "spec.containers.0.livenessProbe",
            {},
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            "v1 Pod",
            "spec.containers.0.livenessProbe",
            {"successThreshold": 2, "tcpSocket": {"port": 80}},
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            "v1 Pod",
            "spec.containers.0.ports",
            [{"containerPort": 0}],
            "spec.containers[0].ports[0].containerPort: Required value",
        ),
        (
            "v1 Pod",
            "spec.restartPolicy",
            "Sometimes",
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            "v1 Pod",
            "spec.dnsPolicy",
            "None",
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.proves("immutable-fields")
def test_a_pods_spec_stays_as_it_is_but_for_a_few_fields() -> None:
    assert problems("v1 Pod", {"spec.containers.0.image": "nginx:2"}, make("v1 Pod")) == []
    assert problems("v1 Pod", {"spec.activeDeadlineSeconds": 5}, make("v1 Pod")) == []
    [refused] = problems("v1 Pod", {"spec.hostname": "other"}, make("v1 Pod"))
    assert refused.startswith("spec: Forbidden: pod updates may not change fields other than")
    assert refused.endswith("changed: spec.hostname")
    [added] = problems(
        "v1 Pod",
        {"spec.containers": [*BASE["v1 Pod"]["spec"]["containers"], {"name": "b", "image": "b"}]},
        make("v1 Pod"),
    )
    assert added == "spec.containers: Forbidden: pod updates may not add or remove containers"


def test_what_only_the_schema_requires_is_required() -> None:
    resource = kind("v1 Pod")
    assert problems("v1 Pod", {"spec.tolerations": []}) == []
    obj = make("v1 Pod", {"spec.schedulingGates": [{}]})
    defaults.apply(resource, obj)
    assert "spec.schedulingGates[0].name: Required value" in [str(c) for c in validation.validate(resource, obj)]


def test_a_status_is_checked_as_far_as_the_network_reads_it() -> None:
    resource, old = kind("v1 Pod"), make("v1 Pod")
    good = {**old, "status": {"podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00:10:244:1::2"}]}}
    assert validation.validate_status(resource, good, old) == []
    bad = {**old, "status": {"podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.300"}]}}
    texts = [str(cause) for cause in validation.validate_status(resource, bad, old)]
    assert texts[0].startswith('status.podIPs[0]: Invalid value: "10.244.1.300": must be a valid IP address')

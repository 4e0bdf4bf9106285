"""What may be reported by `/status`."""

from typing import Any

import pytest

from podwire.apiserver import defaults, validation
from tests.apiserver.validation.objects import kind, make

BALANCED = {"spec.type": "LoadBalancer"}
POINT = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}


def causes(name: str, status: dict[str, Any], changes: dict[str, Any] | None = None) -> list[str]:
    resource, old = kind(name), make(name, changes)
    defaults.apply(resource, old)
    obj = {**old, "status": status}
    defaults.apply(resource, obj)
    return [str(cause) for cause in validation.validate_status(resource, obj, old)]


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("name", "changes", "status", "expected"),
    [
        (
            "v1 Service",
            {},
            POINT,
            "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
        ),
        (
            "v1 Service",
            BALANCED,
            {"loadBalancer": {"ingress": [{"hostname": "a.b", "ipMode": "VIP"}]}},
            "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
        ),
        (
            "networking.k8s.io/v1 Ingress",
            {},
            {"loadBalancer": {"ingress": [{"hostname": "192.0.2.1"}]}},
            (
                'status.loadBalancer.ingress[0].hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP '
                "address"
            ),
        ),
        (
            "v1 Namespace",
            {},
            {"phase": "Terminating"},
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
        ),
        (
            "v1 Pod",
            {"spec.nodeName": "n1"},
            {"nominatedNodeName": "n2"},
            "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node",
        ),
        (
            "v1 Pod",
            {},
            {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]},
            'status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`',
        ),
        (
            "apps/v1 Deployment",
            {},
            {"replicas": 1, "readyReplicas": 2, "availableReplicas": 2},
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        ),
    ],
)
def test_a_wrong_report_is_refused(name: str, changes: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    assert expected in causes(name, status, changes)


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("v1 Service", BALANCED, POINT),
        ("v1 Namespace", {}, {"phase": "Active"}),
        ("v1 Namespace", {"metadata.deletionTimestamp": "2026-01-01T00:00:00Z"}, {"phase": "Terminating"}),
        ("v1 Pod", {}, {"conditions": [{"type": "Ready", "status": "True"}, {"type": "a.b/c", "status": "True"}]}),
        ("apps/v1 Deployment", {}, {"replicas": 2, "readyReplicas": 2, "availableReplicas": 1}),
    ],
)
def test_a_right_report_is_accepted(name: str, changes: dict[str, Any], status: dict[str, Any]) -> None:
    assert causes(name, status, changes) == []

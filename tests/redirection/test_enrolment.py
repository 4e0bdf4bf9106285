"""Which labels enrol a pod or a Service."""

from __future__ import annotations

import pytest

from podwire.redirection import capture
from podwire.redirection.enrolment import enrolled, pod_enrolled, service_enrolled

OURS, ISTIO = "podwire.dev/mesh", "istio.io/dataplane-mode"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, None),
        ({OURS: "enabled"}, True),
        ({OURS: "disabled"}, False),
        ({OURS: "yes"}, None),
        ({ISTIO: "ambient"}, True),
        ({ISTIO: "none"}, False),
        ({ISTIO: "sidecar"}, None),
        ({OURS: "disabled", ISTIO: "ambient"}, False),
        ({OURS: "enabled", ISTIO: "none"}, True),
        ({OURS: "", ISTIO: "ambient"}, True),
    ],
)
def test_labels_of_one_object(labels: dict[str, str], expected: bool | None) -> None:
    assert enrolled(labels) is expected


@pytest.mark.parametrize("judge", [pod_enrolled, service_enrolled])
@pytest.mark.parametrize(
    ("own", "namespace", "expected"),
    [
        ({}, {}, False),
        ({}, {OURS: "enabled"}, True),
        ({OURS: "disabled"}, {OURS: "enabled"}, False),
        ({ISTIO: "none"}, {OURS: "enabled"}, False),
        ({OURS: "enabled"}, {}, True),
        ({OURS: "enabled"}, {OURS: "disabled"}, True),
    ],
)
def test_own_labels_count_before_those_of_the_namespace(
    judge: object, own: dict[str, str], namespace: dict[str, str], expected: bool
) -> None:
    assert callable(judge)
    assert judge(own, namespace) is expected


def test_ports_between_envoys_are_no_ephemeral_ports() -> None:
    first, last = capture.MESH_PORTS
    assert 60999 < first < last <= 65535

from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "v1 ConfigMap",
            "data",
            {"a/b": "c"},
            (
                "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', "
                "'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')"
            ),
        ),
        ("rbac.authorization.k8s.io/v1 RoleBinding", "roleRef.name", "", "roleRef.name: Required value"),
        (
            "v1 ConfigMap",
            "metadata.finalizers",
            ["mine"],
            (
                'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it '
                "fully qualified"
            ),
        ),
        (
            "v1 Namespace",
            "spec.finalizers",
            ["mine"],
            (
                'spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it '
                "fully qualified"
            ),
        ),
        (
            "coordination.k8s.io/v1 Lease",
            "spec.leaseDurationSeconds",
            0,
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        ),
        (
            "scheduling.k8s.io/v1 PriorityClass",
            "value",
            2_000_000_000,
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            "scheduling.k8s.io/v1 PriorityClass",
            "metadata.name",
            "system-mine",
            (
                "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use "
                "only. error: system-mine is not a known system priority class"
            ),
        ),
        (
            "v1 Node",
            "spec.taints",
            [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule", "value": "b"}],
            (
                'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule","value":"b"}: taints must be '
                "unique by key and effect pair"
            ),
        ),
        (
            "v1 Node",
            "status.capacity",
            {"pods": "1.5"},
            'status.capacity.pods: Invalid value: "1500m": must be an integer',
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Secret", "type", "other", 'type: Invalid value: "other": field is immutable'),
        (
            "scheduling.k8s.io/v1 PriorityClass",
            "value",
            2,
            "value: Forbidden: may not be changed in an update.",
        ),
        (
            "rbac.authorization.k8s.io/v1 RoleBinding",
            "roleRef.name",
            "writer",
            (
                'roleRef: Invalid value: {"kind":"Role","name":"writer","apiGroup":"rbac.authorization.k8s.io"}: '
                "cannot change roleRef"
            ),
        ),
    ],
)
def test_what_may_not_change_is_refused(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value}, make(name))


@pytest.mark.proves("immutable-fields")
def test_an_immutable_config_map_keeps_its_data() -> None:
    old = make("v1 ConfigMap", {"immutable": True})
    assert problems("v1 ConfigMap", {"immutable": True, "data": {"key": "other"}}, old) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]


@pytest.mark.parametrize("value", ["a", "²%", "101%", "9" * 5000 + "%", -1])
@pytest.mark.parametrize("part", ["minAvailable", "maxUnavailable"])
def test_a_budget_is_a_count_or_a_percentage(part: str, value: Any) -> None:
    assert problems("policy/v1 PodDisruptionBudget", {f"spec.{part}": "100%"}) == []
    (problem,) = problems("policy/v1 PodDisruptionBudget", {f"spec.{part}": value})
    assert problem.startswith(f"spec.{part}: Invalid value")


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("v1 ConfigMap", "metadata.finalizers", ["example.com/mine", "orphan"]),
        ("coordination.k8s.io/v1 Lease", "metadata.finalizers", ["mine"]),
        ("policy/v1 PodDisruptionBudget", "metadata.finalizers", ["mine"]),
        ("v1 Service", "metadata.name", "1-web"),
        ("networking.k8s.io/v1 Ingress", "spec.rules.0.http.paths.0.backend.service.name", "1-web"),
        ("scheduling.k8s.io/v1 PriorityClass", "value", 1_000_000_000),
        ("v1 Node", "spec.taints", [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}]),
    ],
)
def test_right_values_are_accepted(name: str, path: str, value: Any) -> None:
    assert problems(name, {path: value}) == []

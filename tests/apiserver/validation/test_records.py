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
    ],
)
def test_wrong_values_are_told_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Secret", "type", "other", 'type: Invalid value: "other": field is immutable'),
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

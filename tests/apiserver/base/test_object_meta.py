import copy
from typing import Any

import pytest

from podwire.apiserver import defaults, validation
from podwire.apiserver.writes import strategy
from tests.apiserver.validation.objects import BASE, kind, make, problems

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)

VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize("name", list(BASE))
def test_right_objects_pass_when_new_and_when_unchanged(name: str) -> None:
    assert problems(name) == []
    old = make(name)
    resource = kind(name)
    defaults.apply(resource, old)
    strategy.before_create(resource, old)
    unchanged = copy.deepcopy(old)
    assert validation.validate(resource, unchanged, old) == []


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Pod", "metadata.name", "Web", f'metadata.name: Invalid value: "Web": {SUBDOMAIN}'),
        ("v1 Namespace", "metadata.name", "a.b", 'metadata.name: Invalid value: "a.b": must not contain dots'),
        ("v1 Namespace", "metadata.name", "-a", f'metadata.name: Invalid value: "-a": {LABEL}'),
        ("v1 Service", "metadata.name", "-web", f'metadata.name: Invalid value: "-web": {LABEL}'),
        ("v1 Pod", "metadata.name", None, "metadata.name: Required value: name or generateName is required"),
        ("v1 Pod", "metadata.labels", {"a b": "c"}, f'metadata.labels: Invalid value: "a b": {KEY}'),
        ("v1 Pod", "metadata.labels", {"a": "c d"}, f'metadata.labels: Invalid value: "c d": {VALUE}'),
        (
            "v1 Pod",
            "metadata.annotations",
            {"a": "x" * 262145},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            "v1 Pod",
            "metadata.ownerReferences",
            [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": ""}],
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("v1 Pod", "metadata.uid", "other", 'metadata.uid: Invalid value: "other": field is immutable'),
    ],
)
def test_what_may_not_change_is_refused(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value}, make(name))


def test_an_object_that_is_going_takes_no_new_finalizers() -> None:
    old = make("v1 ConfigMap", {"metadata.deletionTimestamp": "2026-01-01T00:00:00Z", "metadata.finalizers": ["a/b"]})
    gone = {"metadata.deletionTimestamp": "2026-01-01T00:00:00Z", "metadata.finalizers": []}
    assert problems("v1 ConfigMap", gone, old) == []
    [refused] = problems("v1 ConfigMap", {**gone, "metadata.finalizers": ["a/b", "c/d"]}, old)
    assert refused == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"c/d"}'
    )

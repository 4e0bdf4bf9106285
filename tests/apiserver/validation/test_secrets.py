"""What each type of Secret requires."""

import base64
from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems

ACCOUNT = "kubernetes.io/service-account.name"


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("kubernetes.io/tls", {"tls.crt": ""}, ["data[tls.key]: Required value"]),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
        (
            "kubernetes.io/basic-auth",
            {"other": ""},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("kubernetes.io/dockercfg", {}, ["data[.dockercfg]: Required value"]),
        (
            "kubernetes.io/service-account-token",
            {},
            [f"metadata.annotations[{ACCOUNT}]: Required value"],
        ),
    ],
)
def test_a_type_needs_its_content(kind: str, data: dict[str, str], expected: list[str]) -> None:
    assert problems("v1 Secret", {"type": kind, "stringData": data}) == expected


def test_a_configuration_of_docker_is_json() -> None:
    changes = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}}
    [wrong] = problems("v1 Secret", changes)
    assert wrong.startswith('data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": ')
    [wrong] = problems("v1 Secret", {**changes, "stringData": {".dockerconfigjson": "[]"}})
    assert "data[.dockerconfigjson]" in wrong


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}),
        ("kubernetes.io/basic-auth", {"password": ""}),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": "k"}),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": '{"auths": {}}'}),
        ("example.com/mine", {}),
    ],
)
def test_right_content_is_accepted(kind: str, data: dict[str, Any]) -> None:
    assert problems("v1 Secret", {"type": kind, "stringData": data}) == []


@pytest.mark.proves("immutable-fields")
def test_a_secret_made_immutable_stays_as_it_is() -> None:
    old = make("v1 Secret", {"immutable": True})
    assert problems("v1 Secret", {"immutable": True, "stringData": {"password": "y"}}, old) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert problems("v1 Secret", {}, make("v1 Secret", {"immutable": True})) == [
        "immutable: Forbidden: field is immutable when `immutable` is set"
    ]
    assert problems("v1 Secret", {"type": "other"}, make("v1 Secret")) == [
        'type: Invalid value: "other": field is immutable'
    ]


def test_the_limit_counts_bytes_and_not_base64() -> None:
    most = 1024 * 1024
    assert problems("v1 Secret", {"stringData": None, "data": {"a": text("x" * most)}}) == []
    assert problems("v1 Secret", {"stringData": None, "data": {"a": text("x" * (most + 1))}}) == [
        "data: Too long: may not be more than 1048576 bytes"
    ]

"""Every CEL rule of Gateway API's definitions: an object that it allows, and one that it refuses."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from podwire.apiserver.custom.definition import Definition
from podwire.apiserver.custom.kind import CustomKind
from podwire.apiserver.definitions import bundle
from tests.apiserver.custom.gateway_api_cases import ABSENT, EXPERIMENTAL, Case, cases, good

Object = dict[str, Any]

CASES = [(channel, case) for case in cases() for channel in bundle.CHANNELS if case.channel in {"", channel}]


@functools.cache
def kinds(channel: str) -> dict[str, CustomKind]:
    """The preferred version of each kind."""
    decoded = [msgspec.convert(definition, Definition) for definition in map(_raw_schemas, bundle.definitions(channel))]
    return {one.spec.names.kind: CustomKind(one, one.served[0], "", 0) for one in decoded}


def _raw_schemas(definition: Object) -> Object:
    for version in definition["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = msgspec.Raw(msgspec.json.encode(version["schema"]["openAPIV3Schema"]))
    return definition


def problems(kind: CustomKind, spec: Object, old: Object | None = None) -> str:
    """All that is wrong with an object of this spec, defaults filled in."""
    obj, _ = kind.pruned({"metadata": {"name": "a"}, "spec": deepcopy(spec)})
    kind.complete(obj)
    before = None if old is None else {"metadata": {"name": "a"}, "spec": old}
    return "\n".join(f"{cause.field}: {cause.message}" for cause in kind.problems(obj, before))


def changed(result: Object, case: Case) -> Object:
    for path, value in case.changes:
        *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
        inner: Any = result
        for step in steps:
            inner = inner[step]
        if value is ABSENT:
            inner.pop(last, None)
        elif last == "+":
            inner.append(deepcopy(value))
        else:
            inner[last] = deepcopy(value)
    return result


@pytest.mark.parametrize("channel", bundle.CHANNELS)
def test_objects_that_all_rules_allow_are_accepted(channel: str) -> None:
    for name, kind in kinds(channel).items():
        if name != "ReferenceGrant":  # it has no rules
            assert problems(kind, good(name, channel)) == "", name


@pytest.mark.parametrize(
    ("channel", "case"), CASES, ids=[f"{channel}-{one.kind}-{one.changes[0][0]}" for channel, one in CASES]
)
def test_each_rule_refuses(channel: str, case: Case) -> None:
    kind = kinds(channel).get(case.kind)
    if kind is not None:
        assert case.message in problems(kind, changed(good(case.kind, channel), case))


@pytest.mark.parametrize(("channel", "name"), [("standard", "GatewayClass"), (EXPERIMENTAL, "XMesh")])
def test_the_name_of_a_controller_cannot_change(channel: str, name: str) -> None:
    kind, spec = kinds(channel)[name], good(name, channel)
    assert problems(kind, spec, spec) == ""
    assert "Value is immutable" in problems(kind, {"controllerName": "example.com/other"}, spec)


@pytest.mark.proves("gateway-api-served")
@pytest.mark.parametrize("channel", bundle.CHANNELS)
def test_no_rule_is_without_a_case(channel: str) -> None:
    refused = {case.message for case in cases()} | {"Value is immutable"}
    unreachable = {
        "type must be one of ['Exact', 'PathPrefix', 'RegularExpression']",  # the enum refuses it first
        "Hostname value must only contain valid characters",  # of a status
    }
    for definition in bundle.definitions(channel):
        for message in messages(definition["spec"]["versions"]):
            assert any(part in message for part in refused | unreachable), message


def messages(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        for inner in schema.values():
            yield from messages(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from messages(inner)

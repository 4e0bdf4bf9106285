"""Readers of what strangers send: any input is read or refused in the reader's own words, and soon."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.bodies.protobuf import envelope
from podwire.apiserver.bodies.protobuf.wire import WireError
from podwire.apiserver.custom import cel, json_path
from podwire.apiserver.custom.json_path import JsonPathError
from podwire.apiserver.kinds import schema
from podwire.apiserver.patches import json_patch, strategic_merge
from podwire.apiserver.patches.json_patch import PatchError, PatchFailed, TooManyOperations
from podwire.apiserver.patches.strategic_merge import StrategicPatchError
from podwire.apiserver.reads import continue_token, selectors
from tests.apiserver.bodies.protobuf import encoder
from tests.apiserver.fuzz import objects
from tests.apiserver.fuzz.requests import json_patches
from tests.apiserver.fuzz.tally import both_ways, refusing
from tests.apiserver.validation.objects import kind

QUICK = settings(max_examples=100, deadline=None, derandomize=True, database=None)
POD = json.loads(next(seed.small for seed in objects.seeds() if seed.resource.kind == "Pod"))
ENVELOPE = encoder.body(POD)
VALUES = st.recursive(
    objects.STRANGE_VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("name", "$patch", "a")), inner),
    max_leaves=10,
)


@both_ways
@QUICK
@given(st.integers(0, len(ENVELOPE) - 1), st.binary(max_size=6), st.integers(0, 6))
@pytest.mark.proves("bad-json")
@example(0, b"", 0)
def test_damaged_protobuf(at: int, wound: bytes, length: int) -> None:
    with refusing(WireError):
        assert isinstance(envelope.read(ENVELOPE[:at] + wound + ENVELOPE[at + length :]), dict)


@both_ways
@QUICK
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@example(base64.urlsafe_b64encode(b'{"v":"podwire/1","rv":99999999999999999999,"after":["","a"]}').decode())
@example(base64.urlsafe_b64encode(b'{"v":"podwire/1","rv":1,"after":["../a","b"]}').decode())
@example(continue_token.Position(7, "a", "b").token())
def test_continue_tokens(token: str) -> None:
    with refusing(StatusError):
        assert continue_token.position(token).version >= 0


@both_ways
@QUICK
@given(st.text(st.sampled_from("ab=!<>(), \\.in-notexists/é\0"), max_size=60), st.text(max_size=30))
@pytest.mark.proves("bad-selectors")
@example("a=b,c in (d,e),!f", "status.phase=Running")
def test_selectors(labels: str, fields: str) -> None:
    with refusing(StatusError):
        selectors.selection("pods", "", labels, fields)


@both_ways
@QUICK
@given(st.text(st.sampled_from("ab.*[]?()@=='\"0123:-,\\ "), max_size=40), VALUES)
@example(".a[0].name", {"a": [{"name": 1}]})
def test_paths_of_printer_columns(path: str, value: Any) -> None:
    with refusing(JsonPathError):
        assert isinstance(json_path.find(path, value), list)


@both_ways
@QUICK
@given(json_patches(POD))
def test_json_patches(operations: Any) -> None:
    before = json.dumps(POD)
    with refusing(PatchError, PatchFailed, TooManyOperations):
        json_patch.apply(POD, operations)
    assert json.dumps(POD) == before


@st.composite
def strategic_patches(draw: st.DrawFn) -> Any:
    """The pod with changes and with directives, at the top and among its containers."""
    patch: dict[str, Any] = copy.deepcopy(POD)
    places = [patch, patch["metadata"], patch["spec"], patch["spec"]["containers"][0]]
    words = ("$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "name")
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from(places))[draw(st.sampled_from(words))] = draw(VALUES)
    return objects.mutated(draw, patch)


@both_ways
@QUICK
@given(strategic_patches())
@example({**POD, "$patch": []})
def test_strategic_merge_patches(patch: Any) -> None:
    before = json.dumps(POD)
    with refusing(StrategicPatchError):
        if isinstance(patch, dict):
            assert isinstance(strategic_merge.apply(POD, patch, schema.merge_rules(kind("v1 Pod"))), dict)
    assert json.dumps(POD) == before


@both_ways
@QUICK
@given(st.text(st.sampled_from(list("self.x()[]{}'\"?:&|!=<>+-*/%0129,nulltrue \\")), max_size=60))
@example("(" * 5000)
@example("self.map(x, " * 40 + "x" + ")" * 40)
@example("'" + "a" * 100_000 + "'")
@example("1 / 0 == 1 || [1][9] == 2")
@example("self.x[0] == 0")
def test_rules(source: str) -> None:
    with refusing(cel.NotCompiledError, cel.EvaluationError):
        compiled = cel.compiled(source)
        if compiled.affordable(10):
            compiled.evaluate({"self": {"x": list(range(10))}})

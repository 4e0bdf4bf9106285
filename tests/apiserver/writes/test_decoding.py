"""Refusals of bodies without the form of their kind."""

from typing import Any

import pytest

from podwire.apiserver.writes.options import go_text
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import MAPS, MERGE, STRATEGIC, config_map


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, "x"], "a": None}, "map[a:<nil> b:[1 x]]"),
        ({"spec": {"on": True, "half": 0.5}}, "map[spec:map[half:0.5 on:true]]"),
        ([], "[]"),
    ],
)
def test_values_are_printed_as_go_prints_them(value: Any, text: str) -> None:
    assert go_text(value) == text


@pytest.mark.proves("field-validation")
async def test_a_misspelt_field_of_a_new_object_is_400_of_a_patch_422(talk: Talk) -> None:
    strict = "fieldValidation=Strict"
    code, _, message = await talk.refused("POST", f"{MAPS}?{strict}", {**config_map("a"), "dta": {}})
    assert (code, message) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta"',
    )
    await talk.ok("POST", MAPS, config_map("a"))
    refused = await talk.refused("PATCH", f"{MAPS}/a?{strict}", {"dta": {"k": "v"}}, content_type=STRATEGIC)
    shown = 'patch: Invalid value: "map[dta:map[k:v]]": strict decoding error: unknown field "dta"'
    assert refused == (422, "Invalid", f' "" is invalid: {shown}')


async def test_other_patches_show_the_object_that_came_out(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map("a"))
    code, _, message = await talk.refused("PATCH", f"{MAPS}/a", {"data": {"k": 1}}, content_type=MERGE)
    assert code == 422
    assert 'patch: Invalid value: "{\\"' in message
    assert message.endswith("json: cannot unmarshal number into Go struct field ConfigMap.data of type string")


async def test_empty_labels_are_no_labels(talk: Talk) -> None:
    made = config_map("a")
    made["metadata"]["annotations"] = {}
    assert "annotations" not in (await talk.ok("POST", MAPS, made))["metadata"]
    labelled = await talk.ok("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"x": "1"}}}, content_type=MERGE)
    assert labelled["metadata"]["labels"] == {"x": "1"}
    bare = await talk.ok("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"x": None}}}, content_type=MERGE)
    assert "labels" not in bare["metadata"]

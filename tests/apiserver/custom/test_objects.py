"""Objects of a user's kind: written, read, scaled, selected, shown."""

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import DEFINITIONS, MERGE, STATUS, WIDGETS, define, schema, version, widget

OWN = f"{WIDGETS}/a"
STRICT = "?fieldValidation=Strict"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
V2 = "/apis/example.com/v2/namespaces/default/widgets"


@pytest.mark.proves("crd-structural")
async def test_defaults_are_filled_in_and_unknown_fields_taken_out(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", WIDGETS, widget(typo=1, extra={"free": [None]}, parts=[{"name": "x"}]))
    assert made["spec"] == {
        "size": 3,
        "color": "red",
        "replicas": 1,
        "extra": {"free": [None]},
        "parts": [{"name": "x", "weight": 5}],
    }
    assert await talk.ok("GET", OWN) == made


async def test_unknown_fields_give_a_warning_or_a_refusal(talk: Talk) -> None:
    await define(talk)
    answer: Any = await talk.answer("POST", WIDGETS, widget(typo=1, parts=[{"name": "x", "wait": 1}]))
    assert answer.warnings == ('unknown field "spec.typo"', 'unknown field "spec.parts[0].wait"')
    code, _, message = await talk.refused("POST", f"{WIDGETS}{STRICT}", widget("b", typo=1))
    assert code == 400
    assert message.endswith('strict decoding error: unknown field "spec.typo"')
    await talk.ok("POST", f"{WIDGETS}{STRICT}", widget("b", extra={"typo": 1}))


@pytest.mark.proves("crd-structural")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 99}, "spec.size: Invalid value: 99: spec.size in body should be less than or equal to 9"),
        ({"size": None}, "spec.size: Required value"),
        ({"color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, 'spec.parts[1]: Duplicate value: {"name":"a"}'),
        ({"port": True}, "spec.port in body must be of type integer,string"),
    ],
)
async def test_a_value_that_does_not_fit_is_reported_with_its_path(
    talk: Talk, spec: dict[str, Any], message: str
) -> None:
    await define(talk)
    code, reason, text = await talk.refused("POST", WIDGETS, widget(**spec))
    assert (code, reason) == (422, "Invalid")
    assert text.startswith('Widget.example.com "a" is invalid: ')
    assert message in text


async def test_null_is_a_value_only_where_it_is_allowed(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", WIDGETS, widget(note=None, color=None, port=None))
    assert made["spec"] == {"size": 3, "note": None, "color": "red", "replicas": 1}


async def test_a_boolean_in_place_of_a_number_is_a_change(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", f"{WIDGETS}?fieldManager=a", widget(extra={"free": 1, "same": 1}))
    patch = {"spec": {"extra": {"free": True, "same": 1.0}}}
    after = await talk.ok("PATCH", f"{OWN}?fieldManager=b", patch, content_type=MERGE)
    assert after["spec"]["extra"]["free"] is True
    assert after["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert (await talk.ok("GET", OWN))["spec"]["extra"]["free"] is True
    owned = {entry["manager"]: entry["fieldsV1"]["f:spec"]["f:extra"] for entry in after["metadata"]["managedFields"]}
    assert owned["b"] == {"f:free": {}}


@pytest.mark.proves("crd-rules", "admission-order")
async def test_rules_are_evaluated_once_the_form_is_right(talk: Talk) -> None:
    rules = [
        {"rule": "self.spec.size != 4"},
        {"rule": "self.spec.size >= oldSelf.spec.size", "message": "no shrinking"},
    ]
    await define(talk, version(schema={"openAPIV3Schema": {**schema(), "x-kubernetes-validations": rules}}))
    text = (await talk.refused("POST", WIDGETS, widget(size=4)))[2]
    assert text == 'Widget.example.com "a" is invalid: <nil>: Invalid value: failed rule: self.spec.size != 4'
    assert (
        "were not checked because the object was invalid" in (await talk.refused("POST", WIDGETS, widget(size="x")))[2]
    )
    await talk.ok("POST", WIDGETS, widget(size=5))
    await talk.ok("PATCH", OWN, {"spec": {"size": 6}}, content_type=MERGE)
    refused = await talk.refused("PATCH", OWN, {"spec": {"size": 5}}, content_type=MERGE)
    assert "no shrinking" in refused[2]


@pytest.mark.proves("crd-subresources", "generation")
async def test_status_is_written_apart_and_does_not_count_as_a_generation(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", WIDGETS, {**widget(), "status": {"phase": "Sent"}})
    assert "status" not in made
    reported = await talk.ok(
        "PATCH", f"{OWN}/status", {"status": {"phase": "Up"}, "spec": {"size": 9}}, content_type=MERGE
    )
    assert (reported["status"], reported["spec"]["size"], reported["metadata"]["generation"]) == ({"phase": "Up"}, 3, 1)
    changed = await talk.ok("PATCH", OWN, {"spec": {"size": 4}, "status": {"phase": "No"}}, content_type=MERGE)
    assert (changed["status"]["phase"], changed["metadata"]["generation"]) == ("Up", 2)
    refused = await talk.refused("PATCH", f"{OWN}/status", {"status": {"replicas": "x"}}, content_type=MERGE)
    assert "status.replicas" in refused[2]


async def test_without_the_subresource_status_is_a_part_like_any_other(talk: Talk) -> None:
    await define(talk, version(subresources={}))
    made = await talk.ok("POST", WIDGETS, {**widget(), "status": {"phase": "Sent"}})
    assert made["status"] == {"phase": "Sent"}
    changed = await talk.ok("PATCH", OWN, {"status": {"phase": "Up"}}, content_type=MERGE)
    assert changed["metadata"]["generation"] == 2
    assert (await talk.refused("GET", f"{OWN}/status"))[0] == 404
    assert (await talk.refused("GET", f"{OWN}/scale"))[0] == 404


@pytest.mark.proves("crd-subresources")
async def test_scale_reads_and_writes_the_paths_of_the_definition(talk: Talk) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget())
    await talk.ok("PATCH", f"{OWN}/status", {"status": {"replicas": 2, "selector": "a=b"}}, content_type=MERGE)
    scale = await talk.ok("GET", f"{OWN}/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 2, "selector": "a=b"})
    await talk.ok("PATCH", f"{OWN}/scale", {"spec": {"replicas": 7}}, content_type=MERGE)
    scaled = await talk.ok("GET", OWN)
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (7, 2)


@pytest.mark.proves("update-versions")
async def test_a_replacement_needs_the_version_that_it_replaces(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", WIDGETS, widget())
    code, _, message = await talk.refused("PUT", OWN, widget(size=5))
    assert code == 422
    assert message.endswith("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update")
    changed = await talk.ok("PUT", OWN, {**made, "spec": {"size": 5}})
    assert changed["spec"] == {"size": 5, "color": "red", "replicas": 1}
    assert (await talk.refused("PUT", OWN, made))[:2] == (409, "Conflict")


@pytest.mark.proves("patch-types")
async def test_strategic_merge_is_not_for_kinds_of_users(talk: Talk) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget())
    refused = await talk.refused("PATCH", OWN, {"spec": {}}, content_type="application/strategic-merge-patch+json")
    assert refused[:2] == (415, "UnsupportedMediaType")


async def test_metadata_is_checked_like_that_of_every_kind(talk: Talk) -> None:
    await define(talk)
    wrong = widget("Not_a_Name")
    assert "metadata.name" in (await talk.refused("POST", WIDGETS, wrong))[2]
    assert (await talk.refused("POST", WIDGETS, {**widget(), "metadata": {"name": 5}}))[0] == 400
    assert (await talk.refused("POST", WIDGETS, {**widget(), "kind": "Gadget"}))[0] == 400


@pytest.mark.proves("crd-versions")
async def test_every_version_shows_every_object_in_its_own_form(talk: Talk) -> None:
    newer = schema(extra={"type": "string", "default": "new"})
    await define(talk, version(), version("v2", storage=False, schema={"openAPIV3Schema": newer}))
    made = await talk.ok("POST", V2, widget(api_version="example.com/v2"))
    assert (made["apiVersion"], made["extra"]) == ("example.com/v2", "new")
    first = await talk.ok("GET", OWN)
    assert (first["apiVersion"], "extra" in first) == ("example.com/v1", False)
    [listed] = (await talk.ok("GET", V2))["items"]
    assert listed["apiVersion"] == "example.com/v2"
    [event] = await talk.watch(f"{V2}?watch=1")
    assert event["object"]["apiVersion"] == "example.com/v2"
    patched = await talk.ok("PATCH", f"{V2}/a", {"spec": {"size": 5}}, content_type=MERGE)
    assert (patched["apiVersion"], (await talk.ok("GET", OWN))["spec"]["size"]) == ("example.com/v2", 5)
    assert (await talk.refused("POST", V2, widget("b")))[0] == 400


async def test_a_version_that_is_no_longer_served_is_gone_and_the_other_stays(talk: Talk) -> None:
    await define(talk, version(), version("v2", storage=False))
    await talk.ok("POST", WIDGETS, widget())
    only = [version(served=False, storage=False), version("v2")]
    path = f"{DEFINITIONS}/widgets.example.com"
    changed = await talk.ok("PATCH", path, {"spec": {"versions": only}}, content_type=MERGE)
    assert changed["status"]["storedVersions"] == ["v1", "v2"]
    assert (await talk.refused("GET", WIDGETS))[0] == 404
    assert (await talk.ok("GET", f"{V2}/a"))["apiVersion"] == "example.com/v2"


async def test_objects_of_before_have_the_fields_and_defaults_of_now(talk: Talk) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget(note="old"))
    changed = schema()
    properties = {name: value for name, value in changed["properties"]["spec"]["properties"].items() if name != "note"}
    changed["properties"]["spec"] = {
        **changed["properties"]["spec"],
        "properties": {**properties, "added": {"type": "integer", "default": 42}},
    }
    versions = [version(schema={"openAPIV3Schema": changed})]
    await talk.ok("PATCH", f"{DEFINITIONS}/widgets.example.com", {"spec": {"versions": versions}}, content_type=MERGE)
    found = (await talk.ok("GET", OWN))["spec"]
    assert (found["added"], "note" in found) == (42, False)
    [listed] = (await talk.ok("GET", WIDGETS))["items"]
    assert listed["spec"] == found


@pytest.mark.proves("field-selectors-custom")
async def test_fields_that_the_definition_names_can_be_selected(talk: Talk) -> None:
    await define(talk, version(selectableFields=[{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]))
    await talk.ok("POST", WIDGETS, widget("a", color="red"))
    await talk.ok("POST", WIDGETS, widget("b", color="blue", size=5))

    async def names(selector: str) -> list[str]:
        listed = await talk.ok("GET", f"{WIDGETS}?fieldSelector={selector}")
        return [item["metadata"]["name"] for item in listed["items"]]

    assert await names("spec.color=blue") == ["b"]
    assert await names("spec.color!=blue") == ["a"]
    assert await names("spec.size=5%2Cspec.color=blue") == ["b"]
    assert (await talk.refused("GET", f"{WIDGETS}?fieldSelector=spec.note=x"))[0] == 400


@pytest.mark.proves("table-custom-columns")
async def test_tables_have_the_columns_of_the_definition(talk: Talk) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    await define(talk, version(additionalPrinterColumns=columns))
    await talk.ok("POST", WIDGETS, widget())
    table = await talk.ok("GET", WIDGETS, accept=TABLE)
    shown = [(column["name"], column["type"], column["priority"]) for column in table["columnDefinitions"]]
    assert shown == [("Name", "string", 0), ("Size", "integer", 0), ("Phase", "string", 1), ("Age", "date", 0)]
    [row] = table["rows"]
    assert row["cells"][:3] == ["a", 3, None]
    assert row["cells"][3].endswith("s")


@pytest.mark.proves("deprecated-versions-warn")
async def test_a_deprecated_version_warns(talk: Talk) -> None:
    await define(talk, version(), version("v2", storage=False, deprecated=True))
    answer: Any = await talk.answer("GET", V2)
    assert answer.warnings == ("example.com/v2 Widget is deprecated",)
    quiet: Any = await talk.answer("GET", WIDGETS)
    assert quiet.warnings == ()


async def test_cluster_wide_kinds_have_no_namespace(talk: Talk) -> None:
    await define(talk, scope="Cluster")
    made = await talk.ok("POST", "/apis/example.com/v1/widgets", widget())
    assert "namespace" not in made["metadata"]
    assert (await talk.refused("GET", WIDGETS))[0] == 404


async def test_fields_of_the_status_are_pruned_too(talk: Talk) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget())
    reported = await talk.ok("PATCH", f"{OWN}/status", {"status": {"phase": "Up", "typo": 1}}, content_type=MERGE)
    assert reported["status"].keys() <= STATUS["properties"].keys()

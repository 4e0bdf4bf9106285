"""The life of a definition: served, changed, in conflict, deleted, restored."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podwire.apiserver.custom import definition
from podwire.apiserver.custom.definition import Definition
from podwire.apiserver.main import running
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.apiserver.storage.revisions import Key, Stored
from tests.apiserver.conftest import Files, Talk, configuration, until
from tests.apiserver.custom.widgets import DEFINITIONS, MERGE, WIDGETS, define, manifest, schema, version, widget
from tests.apiserver.samples import JSON_PATCH

NAME = "widgets.example.com"
OWN = f"{DEFINITIONS}/{NAME}"


def condition(definition: dict[str, Any], kind: str) -> tuple[str, str]:
    found = {one["type"]: one for one in definition["status"]["conditions"]}.get(kind, {})
    return found.get("status", ""), found.get("reason", "")


async def gone(talk: Talk, name: str = NAME) -> None:
    await until(lambda: talk.server.store.get(Key("customresourcedefinitions.apiextensions.k8s.io", "", name)) is None)


async def test_a_kind_is_served_as_soon_as_its_definition_is_answered(talk: Talk) -> None:
    assert (await talk.refused("GET", WIDGETS))[0] == 404
    made = await define(talk)
    assert condition(made, "NamesAccepted") == ("True", "NoConflicts")
    assert condition(made, "Established") == ("True", "InitialNamesAccepted")
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["singular"] == "widget"
    assert made["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await talk.ok("POST", WIDGETS, widget())
    listed = await talk.ok("GET", WIDGETS)
    assert (listed["kind"], listed["apiVersion"], len(listed["items"])) == ("WidgetList", "example.com/v1", 1)


@pytest.mark.proves("custom-kinds-discovered", "openapi-custom-kinds")
async def test_discovery_and_schemas_follow_at_once(talk: Talk) -> None:
    before = (await talk.ok("GET", "/openapi/v3"))["paths"]
    assert "apis/example.com/v1" not in before
    await define(talk)
    [resource, *parts] = (await talk.ok("GET", "/apis/example.com/v1"))["resources"]
    assert (resource["shortNames"], resource["categories"]) == (["wi"], ["all"])
    assert [part["name"] for part in parts] == ["widgets/scale", "widgets/status"]
    first = (await talk.ok("GET", "/openapi/v3"))["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    published = (await talk.ok("GET", "/openapi/v3/apis/example.com/v1"))["components"]["schemas"]
    kind = published["com.example.v1.Widget"]
    assert kind["description"] == "A thing."
    assert kind["properties"]["metadata"]["allOf"][0]["$ref"].endswith("meta.v1.ObjectMeta")
    await talk.ok("PATCH", OWN, {"spec": {"names": {"shortNames": ["wd"]}}}, content_type=MERGE)
    assert (await talk.ok("GET", "/openapi/v3"))["paths"]["apis/example.com/v1"]["serverRelativeURL"] != first
    await talk.ok("DELETE", OWN)
    await gone(talk)
    assert "apis/example.com/v1" not in (await talk.ok("GET", "/openapi/v3"))["paths"]
    assert (await talk.refused("GET", "/apis/example.com/v1"))[0] == 404
    assert "example.com" not in [one["name"] for one in (await talk.ok("GET", "/apis"))["groups"]]


async def test_a_malformed_definition_is_refused(talk: Talk) -> None:
    code, reason, message = await talk.refused("POST", DEFINITIONS, manifest(scope="World"))
    assert (code, reason) == (422, "Invalid")
    assert "spec.scope: Unsupported value" in message
    assert (await talk.refused("POST", DEFINITIONS, manifest(versions="v1")))[0] == 400


async def test_conditions_of_others_are_kept_as_they_are(talk: Talk) -> None:
    """Also those without a type, as upstream's conformance tests write them."""
    made = await define(talk)
    nameless, own = {"message": "updated"}, {"type": "Mine", "status": "True"}
    changed = {**made, "status": {**made["status"], "conditions": [*made["status"]["conditions"], nameless, own]}}
    stored = await talk.ok("PUT", f"{OWN}/status", changed)
    assert stored["status"]["conditions"] == changed["status"]["conditions"]
    patch = [{"op": "add", "path": "/status/conditions", "value": [nameless]}]
    stored = await talk.ok("PATCH", f"{OWN}/status", patch, content_type=JSON_PATCH)
    assert [one.get("type") for one in stored["status"]["conditions"]] == ["NamesAccepted", "Established", None]
    assert stored["status"]["conditions"][-1] == nameless
    await talk.ok("POST", WIDGETS, widget())
    await talk.ok("DELETE", OWN)
    await gone(talk)


async def test_a_dry_run_defines_nothing(talk: Talk) -> None:
    await talk.ok("POST", f"{DEFINITIONS}?dryRun=All", manifest())
    assert (await talk.refused("GET", WIDGETS))[0] == 404
    made = await define(talk, plural="others", kind="Widget")
    assert condition(made, "NamesAccepted") == ("True", "NoConflicts")


@pytest.mark.proves("crd-names")
async def test_a_taken_name_is_given_once_it_is_free(talk: Talk) -> None:
    await define(talk)
    second = await define(talk, plural="gadgets", kind="Widget")
    assert condition(second, "NamesAccepted") == ("False", "SingularConflict")
    assert condition(second, "Established") == ("False", "NotAccepted")
    assert (await talk.refused("GET", "/apis/example.com/v1/gadgets"))[0] == 404
    await talk.ok("DELETE", OWN)
    await until(lambda: talk.server.registry.find("example.com", "v1", "gadgets") is not None)
    assert condition(await talk.ok("GET", f"{DEFINITIONS}/gadgets.example.com"), "Established")[0] == "True"


async def test_a_removal_reads_only_definitions_that_wait_for_a_name(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for plural in ("widgets", "gadgets", "gizmos"):
        await define(talk, plural=plural, kind=plural.title())
    read: list[str] = []
    of = definition.of

    def counted(stored: Stored) -> Definition:
        read.append(stored.key.name)
        return of(stored)

    monkeypatch.setattr(definition, "of", counted)
    await talk.ok("DELETE", OWN)
    await gone(talk)
    assert set(read) == {NAME}


@pytest.mark.proves("delete-definitions")
async def test_deleting_a_definition_deletes_its_objects_and_ends_their_watches(talk: Talk) -> None:
    await define(talk)
    for name in ("a", "b"):
        await talk.ok("POST", WIDGETS, widget(name))
    watch = await talk.answer("GET", f"{WIDGETS}?watch=1&resourceVersion={talk.server.store.version}")
    assert isinstance(watch, WatchAnswer)
    marked = await talk.ok("DELETE", OWN)
    assert "deletionTimestamp" in marked["metadata"]
    await gone(talk)
    assert talk.server.store.objects(NAME) == []
    assert watch.watcher.take().count(b'"DELETED"') == 2
    assert watch.watcher.finished
    await define(talk)
    assert (await talk.ok("GET", WIDGETS))["items"] == []


async def test_a_definition_waits_for_the_finalizers_of_its_objects(talk: Talk) -> None:
    await define(talk)
    held = widget()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await talk.ok("POST", WIDGETS, held)
    await talk.ok("DELETE", OWN)
    await until(lambda: "deletionTimestamp" in talk.server.store.objects(NAME)[0].object()["metadata"])
    definition = await talk.ok("GET", OWN)
    assert condition(definition, "Terminating") == ("True", "InstanceDeletionInProgress")
    assert (await talk.refused("POST", WIDGETS, widget("late")))[:2] == (405, "MethodNotAllowed")
    await talk.ok("PATCH", f"{WIDGETS}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
    await gone(talk)


async def test_a_changed_spec_ends_watches_and_a_changed_status_does_not(talk: Talk) -> None:
    await define(talk)
    watch = await talk.answer("GET", f"{WIDGETS}?watch=1")
    assert isinstance(watch, WatchAnswer)
    watch.watcher.take()
    await talk.ok("PATCH", OWN, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert not watch.watcher.finished
    await talk.ok("PATCH", OWN, {"spec": {"names": {"shortNames": ["wd"]}}}, content_type=MERGE)
    assert watch.watcher.finished


async def test_rules_that_cannot_be_evaluated_are_reported_and_stored(talk: Talk) -> None:
    rules = [{"rule": "self.?spec.hasValue()"}, {"rule": "self.spec.size != 4", "message": "not four"}]
    made = await define(talk, version(schema={"openAPIV3Schema": {**schema(), "x-kubernetes-validations": rules}}))
    assert condition(made, "Established")[0] == "True"
    assert condition(made, "podwire.io/RulesNotEvaluated") == ("True", "NotCompiled")
    stored = (await talk.ok("GET", OWN))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert stored["x-kubernetes-validations"] == rules
    await talk.ok("POST", WIDGETS, widget(size=3))
    assert "not four" in (await talk.refused("POST", WIDGETS, widget("b", size=4)))[2]
    without = {"openAPIV3Schema": schema()}
    await talk.ok("PATCH", OWN, {"spec": {"versions": [version(schema=without)]}}, content_type=MERGE)
    assert condition(await talk.ok("GET", OWN), "podwire.io/RulesNotEvaluated") == ("", "")


async def test_after_a_restart_everything_is_there(files: Files, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    async with running(configuration(files, store)) as server:
        talk = Talk(server)
        await define(talk)
        made = await talk.ok("POST", WIDGETS, widget())
        await define(talk, plural="gadgets", kind="Gadget")
    async with running(configuration(files, store)) as server:
        talk = Talk(server)
        assert await talk.ok("GET", f"{WIDGETS}/a") == made
        assert "spec.size" in (await talk.refused("POST", WIDGETS, widget("b", size=77)))[2]
        clash = await define(talk, plural="third", kind="Gadget")
        assert condition(clash, "NamesAccepted") == ("False", "SingularConflict")


async def test_a_deletion_continues_after_a_restart(files: Files, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    held = widget()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    async with running(configuration(files, store)) as server:
        talk = Talk(server)
        await define(talk)
        await talk.ok("POST", WIDGETS, held)
        await talk.ok("DELETE", OWN)
    async with running(configuration(files, store)) as server:
        talk = Talk(server)
        await talk.ok("PATCH", f"{WIDGETS}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
        await gone(talk)
        assert (await talk.refused("GET", WIDGETS))[0] == 404


async def test_of_two_simultaneous_definitions_one_gets_the_name(talk: Talk) -> None:
    first, second = await asyncio.gather(define(talk), define(talk, plural="gadgets", kind="Widget"))
    accepted = [condition(one, "NamesAccepted")[0] for one in (first, second)]
    assert accepted == ["True", "False"]

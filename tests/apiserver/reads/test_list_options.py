"""Lists and the beginnings of watches, as the Api answers them."""

import asyncio

import pytest

from podwire.apiserver.reads.continue_token import Position
from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import WIDGETS, define, widget
from tests.apiserver.samples import MAPS, MERGE, config_map

POD_FIELDS = (
    "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork status.phase "
    "status.podIP status.nominatedNodeName"
)
EVENT_FIELDS = (
    "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid reason source type "
    "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reportingComponent"
)

# list


async def names(talk: Talk, query: str = "") -> list[str]:
    answer = await talk.ok("GET", f"{MAPS}{query}")
    return [item["metadata"]["name"] for item in answer["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


@pytest.mark.proves("list-chunks")
async def test_pages_are_of_one_moment(talk: Talk) -> None:
    for name in "abcde":
        await talk.ok("POST", MAPS, config_map(name))
    first = await talk.ok("GET", f"{MAPS}?limit=2")
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 4
    await talk.ok("DELETE", f"{MAPS}/c")
    await talk.ok("POST", MAPS, config_map("bb"))
    token = first["metadata"]["continue"]
    second = await talk.ok("GET", f"{MAPS}?limit=2&continue={token}")
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = await talk.ok("GET", f"{MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in third["items"]] == ["e", "kube-root-ca.crt"]
    assert "continue" not in third["metadata"]


@pytest.mark.proves("list-chunks")
async def test_selected_pages_have_no_remaining_count(talk: Talk) -> None:
    for name in "abc":
        await talk.ok("POST", MAPS, config_map(name, metadata={"name": name, "labels": {"x": "1"}}))
    page = await talk.ok("GET", f"{MAPS}?limit=2&labelSelector=x=1")
    assert len(page["items"]) == 2
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


@pytest.mark.proves("list-resource-versions", "list-match")
async def test_the_past_can_be_listed_exactly(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map("a"))
    version = made["metadata"]["resourceVersion"]
    await talk.ok("POST", MAPS, config_map("b"))
    assert await names(talk, f"?resourceVersion={version}&resourceVersionMatch=Exact") == ["a"]
    assert await names(talk, f"?resourceVersion={version}&limit=10") == ["a"]
    assert await names(talk, f"?resourceVersion={version}") == ["a", "b"]
    assert await names(talk, f"?resourceVersion={version}&resourceVersionMatch=NotOlderThan") == ["a", "b"]
    assert await names(talk, "?resourceVersion=0") == ["a", "b"]


@pytest.mark.proves("list-match", "list-continue-tokens", "watch-list")
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersion=5&resourceVersionMatch=Best", 422),
        ("continue=x&resourceVersionMatch=Exact&resourceVersion=5", 422),
        ("sendInitialEvents=true", 422),
        (f"continue={Position(3, 'default', 'a').token()}&resourceVersion=3", 400),
        ("continue=x&resourceVersionMatch=NotOlderThan", 422),
        ("resourceVersion=&resourceVersionMatch=NotOlderThan", 422),
        (f"continue={Position(3, 'default', '../a').token()}", 400),
        (f"continue={Position(999, 'default', 'a').token()}", 400),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", 422),
        ("continue=x", 400),
        ("resourceVersion=-1", 400),
        ("resourceVersion=abc", 400),
        ("limit=-1", 400),
        ("fieldSelector=spec.nothing=1", 400),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422),
        ("watch=1&sendInitialEvents=true", 422),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422),
    ],
)
async def test_contradictions_are_refused(talk: Talk, query: str, code: int) -> None:
    assert (await talk.refused("GET", f"{MAPS}?{query}"))[0] == code


@pytest.mark.proves("list-too-large-version")
async def test_a_future_version_is_waited_for_and_then_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.list_options.FRESH_SECONDS", 0.05)
    version = talk.server.store.version
    code, answer = await talk.response("GET", f"{MAPS}?resourceVersion={version + 5}")
    assert (code, answer["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")
    assert answer["details"]["retryAfterSeconds"] == 1
    waiting = asyncio.create_task(talk.ok("GET", f"{MAPS}?resourceVersion={version + 1}"))
    await talk.ok("POST", MAPS, config_map())
    assert "items" in await waiting


@pytest.mark.proves("field-selectors")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/v1/pods", POD_FIELDS),
        ("/api/v1/nodes", "spec.unschedulable"),
        ("/api/v1/namespaces", "status.phase"),
        ("/api/v1/secrets", "type"),
        ("/api/v1/services", "spec.clusterIP spec.type"),
        ("/api/v1/replicationcontrollers", "status.replicas"),
        ("/apis/apps/v1/replicasets", "status.replicas"),
        ("/apis/batch/v1/jobs", "status.successful"),
        ("/apis/apps/v1/deployments", ""),
        ("/api/v1/events", EVENT_FIELDS),
    ],
)
async def test_each_kind_has_its_selectable_fields_and_no_others(talk: Talk, path: str, fields: str) -> None:
    for field in ("metadata.name", *fields.split()):
        assert (await talk.ok("GET", f"{path}?fieldSelector={field}=none"))["items"] == []
    for query in ("", "&watch=1"):
        code, reason, message = await talk.refused("GET", f"{path}?fieldSelector=spec.nothing=1{query}")
        assert (code, reason, "spec.nothing" in message) == (400, "BadRequest", True)


@pytest.mark.proves("field-selectors")
async def test_services_are_selected_by_type(talk: Talk) -> None:
    path = "/api/v1/namespaces/default/services"
    await talk.ok("POST", path, {"metadata": {"name": "open"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
    found = await talk.ok("GET", f"{path}?fieldSelector=spec.type=NodePort")
    assert [item["metadata"]["name"] for item in found["items"]] == ["open"]


@pytest.mark.proves("list-items-kinds")
async def test_items_of_kinds_of_users_have_a_version_and_a_kind(talk: Talk) -> None:
    await define(talk)
    await talk.ok("POST", WIDGETS, widget())
    [item] = (await talk.ok("GET", WIDGETS))["items"]
    assert (item["apiVersion"], item["kind"]) == ("example.com/v1", "Widget")


@pytest.mark.proves("metadata-lists")
async def test_metadata_alone(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    answer = await talk.ok("GET", MAPS, accept=accept)
    assert answer["kind"] == "PartialObjectMetadataList"
    assert all(item["kind"] == "PartialObjectMetadata" and "data" not in item for item in answer["items"])


@pytest.mark.proves("accept-header", "protobuf-json-answers")
async def test_what_cannot_be_shown_is_refused(talk: Talk) -> None:
    assert (await talk.refused("GET", MAPS, accept="text/html"))[:2] == (406, "NotAcceptable")
    assert (await talk.refused("GET", MAPS, accept="application/vnd.kubernetes.protobuf"))[0] == 406
    await talk.ok("GET", MAPS, accept="application/vnd.kubernetes.protobuf,application/json")


# watch


@pytest.mark.proves("watch-starts")
async def test_a_watch_without_a_version_begins_with_the_present_objects(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    for query in ("", "&resourceVersion=0"):
        events = await talk.watch(f"{MAPS}?watch=true{query}&fieldSelector=metadata.name=a")
        assert [event["type"] for event in events] == ["ADDED"]


@pytest.mark.proves("watch-starts")
async def test_a_watch_from_a_version_sends_what_came_after(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    await talk.ok("PATCH", f"{MAPS}/a", {"data": {"x": "2"}}, content_type=MERGE)
    await talk.ok("DELETE", f"{MAPS}/a")
    version = made["metadata"]["resourceVersion"]
    events = await talk.watch(f"{MAPS}?watch=true&resourceVersion={version}")
    assert [(event["type"], event["object"]["data"]["x"]) for event in events] == [("MODIFIED", "2"), ("DELETED", "2")]


@pytest.mark.proves("watch-list")
async def test_a_watch_list_ends_its_beginning_with_a_bookmark(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = await talk.watch(f"{MAPS}?{query}&resourceVersion=0")
    assert [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    last = events[-1]["object"]
    assert (last["kind"], last["apiVersion"]) == ("ConfigMap", "v1")
    assert last["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert last["metadata"]["resourceVersion"] == str(talk.server.store.version)


@pytest.mark.proves("watch-list-forms")
async def test_table_watchers_find_the_bookmark_in_the_row(talk: Talk) -> None:
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    event = (await talk.watch(f"{MAPS}?{query}", accept=accept))[-1]
    assert event["object"]["kind"] == "Table"
    row = event["object"]["rows"][0]["object"]
    assert row["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    event = (await talk.watch(f"{MAPS}?{query}", accept=accept))[-1]
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.proves("watch-table-columns", "table-negotiation", "table-columns")
@pytest.mark.parametrize("query", ["watch=1", "watch=1&resourceVersion=1"])
async def test_the_first_table_of_a_stream_has_the_columns(talk: Talk, query: str) -> None:
    for name in "ab":
        await talk.ok("POST", MAPS, config_map(name))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    first, *others = [event["object"] for event in await talk.watch(f"{MAPS}?{query}", accept=accept)]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert others
    assert all(table["columnDefinitions"] is None and len(table["rows"]) == 1 for table in others)


@pytest.mark.proves("table-objects")
async def test_rows_carry_what_is_requested(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    for include, kind in (
        ("", "PartialObjectMetadata"),
        ("Metadata", "PartialObjectMetadata"),
        ("Object", "ConfigMap"),
    ):
        table = await talk.ok("GET", f"{MAPS}?includeObject={include}", accept=accept)
        assert {row["object"]["kind"] for row in table["rows"]} == {kind}
    bare = await talk.ok("GET", f"{MAPS}?includeObject=None", accept=accept)
    assert all(row.get("object") is None for row in bare["rows"])
    assert (await talk.refused("GET", f"{MAPS}?includeObject=Everything", accept=accept))[0] == 400

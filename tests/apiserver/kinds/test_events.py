"""Events: one stored form, two groups that serve it."""

import json
from typing import Any

import pytest

from podwire.apiserver.base.requests import Response
from podwire.apiserver.bodies.protobuf.envelope import MEDIA_TYPE
from tests.apiserver.bodies.protobuf.encoder import body
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import STRATEGIC

CORE = "/api/v1/namespaces/default/events"
GROUP = "/apis/events.k8s.io/v1/namespaces/default/events"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def recorded(**changes: Any) -> dict[str, Any]:
    """What client-go's recorder (`tools/events`) sends."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.18a", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000001Z",
        "reportingController": "example.com/gate",
        "reportingInstance": "example.com/gate-host1",
        "action": "Binding",
        "reason": "Scheduled",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web", "uid": "u1"},
        "note": "assigned to node-1",
        "type": "Normal",
        **changes,
    }


@pytest.mark.proves("events-series", "protobuf-bodies")
async def test_a_recorder_creates_in_protobuf_and_counts_up_by_patch(talk: Talk) -> None:
    made = await talk.ok("POST", GROUP, body(recorded()), content_type=MEDIA_TYPE)
    assert (made["apiVersion"], made["note"], made["eventTime"]) == (
        "events.k8s.io/v1",
        "assigned to node-1",
        "2026-01-01T00:00:00.000001Z",
    )
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:06:00.000000Z"}}
    counted = await talk.ok("PATCH", f"{GROUP}/web.18a", series, content_type=STRATEGIC)
    assert counted["series"]["count"] == 2
    assert (await talk.ok("GET", f"{CORE}/web.18a"))["series"]["count"] == 2


@pytest.mark.proves("events-both-groups", "field-selectors")
async def test_each_group_has_its_own_names_for_fields(talk: Talk) -> None:
    await talk.ok("POST", GROUP, recorded())
    for path, field in ((CORE, "involvedObject"), (GROUP, "regarding")):
        assert len((await talk.ok("GET", f"{path}?fieldSelector={field}.name=web"))["items"]) == 1
        assert (await talk.ok("GET", f"{path}?fieldSelector={field}.name=db"))["items"] == []
    reporter = "fieldSelector=reportingController=example.com/gate"
    assert len((await talk.ok("GET", f"{GROUP}?{reporter}"))["items"]) == 1
    assert (await talk.refused("GET", f"{CORE}?{reporter}"))[0] == 400
    assert (await talk.refused("GET", f"{GROUP}?fieldSelector=involvedObject.name=web"))[0] == 400


@pytest.mark.proves("events-informer")
async def test_both_groups_are_watched_in_their_own_form(talk: Talk) -> None:
    await talk.ok(
        "POST", CORE, {"metadata": {"name": "old"}, "involvedObject": {"namespace": "default"}, "message": "m"}
    )
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    for path, version, field in ((CORE, "v1", "message"), (GROUP, "events.k8s.io/v1", "note")):
        added, end = await talk.watch(f"{path}?{query}")
        assert (added["object"]["apiVersion"], added["object"][field]) == (version, "m")
        assert (end["type"], end["object"]["apiVersion"]) == ("BOOKMARK", version)


async def test_a_table_of_either_group_reads_the_same(talk: Talk) -> None:
    await talk.ok("POST", GROUP, recorded())
    cells = []
    for path in (CORE, GROUP):
        answer = await talk.answer("GET", path, accept=TABLE)
        assert isinstance(answer, Response)
        cells.append(json.loads(answer.body)["rows"][0]["cells"][1:])
    assert cells[0] == cells[1]
    assert cells[0][:3] == ["Normal", "Scheduled", "pod/web"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reportingController": ""}, "reportingComponent"),
        ({"reportingInstance": ""}, "reportingInstance"),
        ({"action": ""}, "action"),
        ({"reason": "x" * 129}, "reason"),
        ({"note": "x" * 1025}, "message"),
    ],
)
async def test_a_new_event_needs_reporter_action_and_reason(talk: Talk, change: dict[str, Any], field: str) -> None:
    code, answer = await talk.response("POST", GROUP, recorded(**change))
    assert code == 422, answer
    assert field in {cause["field"] for cause in answer["details"]["causes"]}


async def test_an_event_is_in_the_namespace_of_its_object(talk: Talk) -> None:
    elsewhere = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web"}}
    code, answer = await talk.response("POST", CORE, elsewhere)
    assert (code, answer["details"]["causes"][0]["field"]) == (422, "involvedObject.namespace")

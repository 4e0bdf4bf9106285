from typing import Any

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.kinds.selectable_fields import selectable_fields
from podwire.apiserver.reads.selectors import selection
from podwire.apiserver.storage.revisions import Key, Stored
from tests.apiserver.conftest import Talk


def stored(labels: dict[str, str] | None = None, fields: dict[str, str] | None = None) -> Stored:
    return Stored(Key("pods", "ns", "web"), 1, "u", b"{}", labels or {}, fields or {})


@pytest.mark.proves("label-selectors")
@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "1"}, True),
        ("a = 1", {"a": "1"}, True),
        ("a=1", {"a": "2"}, False),
        ("a=1", {}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=1", {"a": "2"}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1,2)", {"a": "3"}, False),
        ("a in (1,)", {"a": ""}, True),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "1"}, False),
        ("n>5", {"n": "6"}, True),
        ("n<5", {"n": "6"}, False),
        ("n>5", {"n": "many"}, False),
        ("a=1,b in (x),!c", {"a": "1", "b": "x"}, True),
        ("a=1,b in (x),!c", {"a": "1", "b": "x", "c": ""}, False),
        ("app.kubernetes.io/name=web", {"app.kubernetes.io/name": "web"}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], expected: bool) -> None:
    assert selection("pods", "", text, "").matches(stored(labels)) is expected


@pytest.mark.proves("bad-selectors")
@pytest.mark.parametrize(
    "text", ["=1", "a=1,", ",a", "a in 1", "a in (1", "a b", "a=1 b=2", "a=-1-", "a//b=1", "(a)", "a in ((1))", "a=b=c"]
)
def test_malformed_label_selectors_are_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        selection("pods", "", text, "")
    assert refused.value.code == 400


@pytest.mark.proves("field-selectors")
def test_field_selectors() -> None:
    pod = stored(fields={"spec.nodeName": "n1", "status.phase": "Running"})
    assert selection("pods", "", "", "spec.nodeName=n1,status.phase!=Failed").matches(pod)
    assert not selection("pods", "", "", "spec.nodeName=n2").matches(pod)
    assert selection("pods", "", "", "metadata.name==web,metadata.namespace=ns").matches(pod)
    assert not selection("pods", "", "", "metadata.name=other").matches(pod)


@pytest.mark.proves("field-selectors", "bad-selectors")
@pytest.mark.parametrize("text", ["spec.image=x", "spec.nodeName", "spec.nodeName~x"])
def test_unknown_fields_and_malformed_terms_are_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        selection("pods", "", "", text)
    assert refused.value.code == 400


def test_a_namespace_selects() -> None:
    assert selection("pods", "ns", "", "").matches(stored())
    assert not selection("pods", "other", "", "").matches(stored())


@pytest.mark.proves("bad-selectors")
def test_a_huge_selector_is_refused_before_it_is_read() -> None:
    with pytest.raises(StatusError):
        selection("pods", "", "a=1," * 20_000 + "a=1", "")


def test_missing_fields_count_as_their_defaults() -> None:
    assert selectable_fields("pods", {})["spec.hostNetwork"] == "false"
    assert selectable_fields("pods", {"spec": {"hostNetwork": True}})["spec.hostNetwork"] == "true"
    assert selectable_fields("events", {"source": {"component": "kubelet"}})["source"] == "kubelet"


@pytest.mark.parametrize(
    ("event", "source"),
    [
        ({"source": {"component": "kubelet"}, "reportingComponent": "other"}, "kubelet"),
        ({"source": {}, "reportingComponent": "test-controller"}, "test-controller"),
        ({"reportingComponent": "test-controller"}, "test-controller"),
        ({}, ""),
    ],
)
def test_the_source_of_an_event_is_its_reporter_where_none_is_named(event: dict[str, Any], source: str) -> None:
    assert selectable_fields("events", event)["source"] == source


async def test_events_of_either_group_are_selected_under_their_own_names(talk: Talk) -> None:
    event = {
        "metadata": {"name": "e"},
        "eventTime": "2025-01-01T00:00:00.000000Z",
        "reportingController": "test-controller",
        "reportingInstance": "one",
        "action": "Do",
        "reason": "Test",
        "type": "Normal",
        "regarding": {"kind": "Pod", "name": "web", "namespace": "default"},
    }
    await talk.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
    for path, selector, count in (
        ("/api/v1/events", "source=test-controller", 1),
        ("/api/v1/events", "source=kubelet", 0),
        ("/api/v1/events", "involvedObject.name=web,reason=Test", 1),
        ("/apis/events.k8s.io/v1/events", "reportingController=test-controller,regarding.kind=Pod", 1),
        ("/apis/events.k8s.io/v1/events", "regarding.name=other", 0),
    ):
        found = await talk.ok("GET", f"{path}?fieldSelector={selector.replace(',', '%2C')}")
        assert len(found["items"]) == count, selector
    wrong = "/apis/events.k8s.io/v1/events?fieldSelector=involvedObject.name=web"
    assert (await talk.refused("GET", wrong))[0] == 400


def test_a_pod_is_found_by_the_older_name_of_its_node() -> None:
    assert selection("pods", "", "", "spec.host=n1").fields == selection("pods", "", "", "spec.nodeName=n1").fields


@pytest.mark.parametrize(("storage", "field"), [("nodes", "spec.host"), ("deployments.apps", "status.replicas")])
def test_fields_that_upstream_does_not_select_by_are_refused(storage: str, field: str) -> None:
    with pytest.raises(StatusError) as refusal:
        selection(storage, "", "", f"{field}=1")
    assert refusal.value.code == 400
    assert selection("replicationcontrollers", "", "", "status.replicas=1").fields

from podwire.apiserver import validation
from podwire.apiserver.kinds import conversion
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Resource


def events(api_version: str) -> Resource:
    found = registry().by_kind(api_version, "Event")
    assert found is not None
    return found


CORE, EVENTS = events("v1"), events("events.k8s.io/v1")

STORED = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "web.1", "namespace": "shop"},
    "involvedObject": {"kind": "Pod", "name": "web"},
    "message": "Started",
    "reason": "Started",
    "count": 2,
    "source": {"component": "kubelet"},
    "reportingComponent": "kubelet",
}


def test_an_event_is_served_in_the_words_of_its_group() -> None:
    served = conversion.from_storage(EVENTS, STORED)
    assert served["apiVersion"] == "events.k8s.io/v1"
    assert served["note"] == "Started"
    assert served["regarding"] == {"kind": "Pod", "name": "web"}
    assert validation.unknown_fields(EVENTS, served) == []
    assert validation.unknown_fields(EVENTS, STORED) != []


def test_a_round_trip_changes_nothing() -> None:
    assert conversion.to_storage(EVENTS, conversion.from_storage(EVENTS, STORED)) == STORED


def test_other_kinds_are_stored_as_they_are_served() -> None:
    assert conversion.to_storage(CORE, STORED) is STORED
    assert conversion.from_storage(CORE, STORED) is STORED

"""Events for conditions that are not in order."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.problem_events import LONGEST, ProblemEvent, problem_events
from podwire.kube.gateway_api import CONTROLLER_NAME

BAD = {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "Service a/b is not there"}
GOOD = {"type": "Accepted", "status": "True", "reason": "Accepted"}


def route(*conditions: dict[str, Any], controller: str = CONTROLLER_NAME) -> HTTPRoute:
    parents = [{"parentRef": {"name": "gw"}, "controllerName": controller, "conditions": conditions}]
    return msgspec.convert({"status": {"parents": parents}}, HTTPRoute)


def gateway(conditions: list[dict[str, Any]], listener: list[dict[str, Any]]) -> Gateway:
    status = {"conditions": conditions, "listeners": [{"name": "http", "conditions": listener}]}
    return msgspec.convert({"status": status}, Gateway)


def test_a_problem_is_reported_when_it_comes_and_not_again() -> None:
    event = ProblemEvent("BackendNotFound", "Service a/b is not there")
    assert problem_events(route(), route(GOOD, BAD)) == (event,)
    assert problem_events(route(BAD), route(GOOD, BAD)) == ()
    assert problem_events(route(BAD), route(GOOD)) == ()
    assert problem_events(route({**BAD, "message": "another one"}), route(BAD)) == (event,)


def test_what_other_controllers_wrote_is_not_reported() -> None:
    assert problem_events(route(), route(BAD, controller="example.com/other")) == ()


def test_a_listener_is_named_and_what_is_being_programmed_is_no_problem() -> None:
    conflicted = {"type": "Conflicted", "status": "True", "reason": "HostnameConflict", "message": "of two"}
    pending = {"type": "Programmed", "status": "False", "reason": "Pending"}
    found = problem_events(gateway([], []), gateway([GOOD, pending], [pending, conflicted]))
    assert found == (ProblemEvent("HostnameConflict", "listener http: of two"),)
    assert problem_events(gateway([], []), gateway([], [{**conflicted, "status": "False"}])) == ()


def test_a_long_message_is_cut() -> None:
    (event,) = problem_events(route(), route({**BAD, "message": "x" * 3000}))
    assert len(event.message) == LONGEST

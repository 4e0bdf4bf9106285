"""The entries of this controller in the status of routes and policies, beside those of others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.backend_tls import PolicyState
from podwire.edge.gateway.backends import Unresolved
from podwire.edge.gateway.kinds.backend_tls_policy import BackendTLSPolicy
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.policy_status import policy_status
from podwire.edge.gateway.route_status import Verdict, route_status
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
KEY = NamespacedName("infra", "gw")
OTHERS = {
    "parentRef": {"name": "other"},
    "controllerName": "example.com/other",
    "conditions": [{"type": "Accepted", "status": "False", "reason": "No", "observedGeneration": 1}],
}
METADATA = {"namespace": "shop", "name": "web", "generation": 7}


def route(*parents: Mapping[str, Any]) -> HTTPRoute:
    return msgspec.convert({"metadata": METADATA, "status": {"parents": parents}}, HTTPRoute)


def attached(name: str = "gw", section: str | None = None, reason: str = "Accepted") -> Attachment:
    return Attachment(ParentReference(name, namespace="infra", section_name=section), KEY, (), reason)


def reasons(entry: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in entry["conditions"]}


def test_a_parent_is_reported_as_it_is_written_and_others_stay() -> None:
    kept, ours = route_status(route(OTHERS), (attached(section="http"),), Verdict(), EARLY)["parents"]
    assert msgspec.convert(kept, type(route(OTHERS).status.parents[0])) == route(OTHERS).status.parents[0]
    assert ours["parentRef"] == {"name": "gw", "namespace": "infra", "sectionName": "http"}
    assert ours["controllerName"] == CONTROLLER_NAME
    assert reasons(ours) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    assert {one["observedGeneration"] for one in ours["conditions"]} == {7}


def test_the_entries_of_two_controllers_are_beside_each_other() -> None:
    first = route_status(route(OTHERS), (attached(),), Verdict(), EARLY)["parents"]
    both = route_status(route(*first), (attached("web"),), Verdict(), EARLY, "mesh")["parents"]
    assert [one["controllerName"] for one in both] == ["example.com/other", CONTROLLER_NAME, "mesh"]
    left = route_status(route(*both), (), Verdict(), LATE)["parents"]
    assert [one["controllerName"] for one in left] == ["example.com/other", "mesh"]


@pytest.mark.parametrize(("others", "ours"), [(31, 1), (32, 0)])
def test_a_full_list_of_parents_keeps_those_of_others(others: int, ours: int) -> None:
    before = [{**OTHERS, "parentRef": {"name": f"o{one}"}} for one in range(others)]
    status = route_status(route(*before), (attached("one"), attached("two")), Verdict(), EARLY)
    found = [one["controllerName"] for one in status.get("parents", before)]
    assert found == ["example.com/other"] * others + [CONTROLLER_NAME] * ours


def test_required_fields_of_others_conditions_are_sent_also_where_they_are_empty() -> None:
    first = route_status(route(), (attached("web"),), Verdict(), EARLY, "mesh")["parents"]
    both = route_status(route(*first), (attached(),), Verdict(), EARLY)["parents"]
    assert both[0] == first[0]
    assert [one["message"] for one in both[0]["conditions"]] == ["", ""]


def test_two_controllers_do_not_write_in_turns() -> None:
    first = route_status(route(), (attached(),), Verdict(), EARLY)["parents"]
    both = route_status(route(*first), (attached("web"),), Verdict(), EARLY, "mesh")["parents"]
    assert not route_status(route(*both), (attached(),), Verdict(), LATE)
    assert not route_status(route(*both), (attached("web"),), Verdict(), LATE, "mesh")


def test_an_entry_of_a_reference_that_is_gone_is_removed() -> None:
    both = route_status(route(OTHERS), (attached(), attached("b")), Verdict(), EARLY)["parents"]
    left = route_status(route(*both), (attached("b"),), Verdict(), LATE)["parents"]
    assert [one["parentRef"]["name"] for one in left] == ["other", "b"]
    assert not route_status(route(*left), (attached("b"),), Verdict(), LATE)
    none = route_status(route(*left), (), Verdict(), LATE)["parents"]
    assert [one["controllerName"] for one in none] == ["example.com/other"]


@pytest.mark.parametrize(
    ("attachment", "verdict", "wanted"),
    [
        (
            attached(reason="NotAllowedByListeners"),
            Verdict("IncompatibleFilters", "both"),
            {"Accepted": ("False", "NotAllowedByListeners"), "ResolvedRefs": ("True", "ResolvedRefs")},
        ),
        (
            attached(),
            Verdict("IncompatibleFilters", "both", dropped="one"),
            {"Accepted": ("False", "IncompatibleFilters"), "ResolvedRefs": ("True", "ResolvedRefs")},
        ),
        (
            attached(),
            Verdict(unresolved=(Unresolved("BackendNotFound", "a"), Unresolved("InvalidKind", "b"))),
            {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "BackendNotFound")},
        ),
        (
            attached(),
            Verdict(dropped="rule 2"),
            {
                "Accepted": ("True", "Accepted"),
                "ResolvedRefs": ("True", "ResolvedRefs"),
                "PartiallyInvalid": ("True", "UnsupportedValue"),
            },
        ),
    ],
)
def test_the_conditions_of_a_route(
    attachment: Attachment, verdict: Verdict, wanted: dict[str, tuple[str, str]]
) -> None:
    (entry,) = route_status(route(), (attachment,), verdict, EARLY)["parents"]
    assert reasons(entry) == wanted


def test_a_dropped_rule_that_is_mended_leaves_no_condition() -> None:
    before = route_status(route(), (attached(),), Verdict(dropped="rule 2"), EARLY)["parents"]
    (entry,) = route_status(route(*before), (attached(),), Verdict(), LATE)["parents"]
    assert set(reasons(entry)) == {"Accepted", "ResolvedRefs"}
    assert {one["lastTransitionTime"] for one in entry["conditions"]} == {"2026-01-01T00:00:00Z"}


def policy(*ancestors: Mapping[str, Any]) -> BackendTLSPolicy:
    return msgspec.convert({"metadata": METADATA, "status": {"ancestors": ancestors}}, BackendTLSPolicy)


def others(count: int) -> list[dict[str, Any]]:
    return [{"ancestorRef": {"name": f"o{one}"}, "controllerName": "example.com/other"} for one in range(count)]


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (PolicyState(), {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}),
        (
            PolicyState("Conflicted"),
            {"Accepted": ("False", "Conflicted"), "ResolvedRefs": ("True", "ResolvedRefs")},
        ),
        (
            PolicyState("NoValidCACertificate", "InvalidKind", "kind"),
            {"Accepted": ("False", "NoValidCACertificate"), "ResolvedRefs": ("False", "InvalidKind")},
        ),
    ],
)
def test_each_gateway_that_uses_a_policy_is_an_ancestor(state: PolicyState, wanted: dict[str, tuple[str, str]]) -> None:
    gateways = [NamespacedName("z", "gw"), KEY]
    found = policy_status(policy(*others(1)), gateways, state, EARLY)["ancestors"]
    assert [one["ancestorRef"].get("namespace") for one in found] == [None, "infra", "z"]
    assert found[1]["ancestorRef"]["kind"] == "Gateway"
    assert reasons(found[1]) == reasons(found[2]) == wanted
    assert not policy_status(policy(*found), gateways, state, LATE)


def test_a_gateway_that_does_not_use_a_policy_any_more_is_no_ancestor() -> None:
    found = policy_status(policy(*others(1)), [KEY], PolicyState(), EARLY)["ancestors"]
    assert len(policy_status(policy(*found), [], PolicyState(), EARLY)["ancestors"]) == 1


def test_a_full_list_of_ancestors_takes_no_more() -> None:
    found = policy_status(policy(*others(15)), [KEY, NamespacedName("z", "gw")], PolicyState(), EARLY)["ancestors"]
    assert len(found) == 16
    assert [one["ancestorRef"]["name"] for one in found[:15]] == [f"o{one}" for one in range(15)]

"""Which definitions of the Gateway API an installation applies, and which it respects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.install import gateway_definitions
from podwire.install.gateway_definitions import CHANNEL, VERSION, Definition, Plan, plan_of
from podwire.install.manifests.manifest import MANAGER_LABEL

ROUTES = "httproutes.gateway.networking.k8s.io"


def definition(
    version: str, channel: str = "standard", *, own: bool = False, name: str = ROUTES, **more: Any
) -> Definition:
    labels = {MANAGER_LABEL: "podwire"} if own else {}
    annotations = {VERSION: version, CHANNEL: channel}
    return msgspec.convert(
        {"metadata": {"name": name, "labels": labels, "annotations": annotations}, **more}, Definition
    )


def names(found: Plan) -> set[str]:
    return {one.key.name for one in found.manifests}


def test_a_cluster_without_them_gets_all_of_the_channel() -> None:
    standard, experimental = plan_of("standard", ()), plan_of("experimental", ())
    assert ROUTES in names(standard) < names(experimental)
    assert all(body["metadata"]["labels"][MANAGER_LABEL] == "podwire" for body in standard.applied)
    assert not standard.note
    assert list(standard.changes(())) == [f"create {one}" for one in standard.manifests]
    assert plan_of("none", ()) == Plan()


def test_definitions_of_another_program_stay_and_none_is_added_to_them() -> None:
    found = plan_of("standard", [definition("v1.5.1")])
    assert not found.applied
    assert "stays as it is: v1.5.1 standard. podwire is made for v1.6.3 standard" in found.note
    assert "listenersets" in found.note
    assert "httproutes" not in found.note.partition(";")[2]


def test_all_definitions_of_this_release_need_no_note_about_it() -> None:
    existing = [definition("v1.6.3", name=one) for one in names(plan_of("standard", ()))]
    found = plan_of("standard", existing)
    assert (found.applied, found.note) == ((), "the Gateway API is installed and stays as it is: v1.6.3 standard")


@pytest.mark.parametrize(("version", "applied"), [("v1.5.0", True), ("v1.6.3", True), ("v1.10.0", False)])
def test_own_definitions_are_renewed_and_never_by_an_older_release(version: str, *, applied: bool) -> None:
    existing = [definition(version, own=True)]
    found = plan_of("standard", existing)
    assert bool(found.applied) == applied
    assert bool(found.note) != applied
    changed = [line for line in found.changes(existing) if line.startswith("change")]
    assert bool(changed) == (version == "v1.5.0")


def test_definitions_of_other_groups_do_not_matter() -> None:
    assert plan_of("standard", [definition("v9", name="gateways.example.org")]).applied


def test_a_kind_is_served_when_its_definition_is_established() -> None:
    status = {"conditions": [{"type": "Established", "status": "True"}]}
    assert definition("v1.6.3", status=status).is_established
    assert not definition("v1.6.3").is_established


def test_flags_offer_what_ships() -> None:
    from podwire.install.flags import GATEWAY_CHOICES

    assert GATEWAY_CHOICES == gateway_definitions.CHOICES

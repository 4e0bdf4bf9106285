"""The status of Gateways, their listeners, ListenerSets and classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.attached_listeners import ListenerState, Problem
from podwire.edge.gateway.class_status import class_status
from podwire.edge.gateway.features import EXPERIMENTAL, supported
from podwire.edge.gateway.gateway_status import gateway_status
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.listener_set_status import is_attached, listener_set_status
from podwire.edge.gateway.listener_status import ServedListener
from podwire.edge.gateway.owners import Owner
from podwire.kube.meta import NamespacedName

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
KEY = NamespacedName("infra", "gw")
ADDRESS = ("192.0.2.1",)
CONFLICT = (
    Problem("Conflicted", "True", "HostnameConflict", "same"),
    Problem("Accepted", "False", "HostnameConflict", "same"),
)
INVALID = (Problem("ResolvedRefs", "False", "InvalidCertificateRef", "absent"),)
UNSUPPORTED = Problem("Accepted", "False", "UnsupportedAddress", "no")


def gateway(status: Mapping[str, Any] | None = None, generation: int = 2, **spec: Any) -> Gateway:
    metadata = {"namespace": KEY.namespace, "name": KEY.name, "generation": generation}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status or {}}, Gateway)


def listener(
    name: str = "http", problems: tuple[Problem, ...] = (), parent: str = "Gateway", mode: str = "", **known: Any
) -> ServedListener:
    owner = Owner(parent, "infra", "gw" if parent == "Gateway" else "set")
    state = ListenerState(KEY, owner, name, 80, "HTTP", mode=mode, kinds=("HTTPRoute",), problems=problems)
    return ServedListener(state, **known)


def written(
    *listeners: ServedListener,
    item: Gateway | None = None,
    problems: tuple[Problem, ...] = (),
    addresses: tuple[str, ...] = ADDRESS,
    sets: int = 0,
    now: datetime = EARLY,
) -> Mapping[str, Any]:
    return gateway_status(item or gateway(), problems, listeners, addresses, sets, now)


def reasons(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def test_a_gateway_in_order_has_every_condition_of_one_generation() -> None:
    found = written(listener(routes=3))
    assert reasons(found) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }
    (entry,) = found["listeners"]
    assert entry["attachedRoutes"] == 3
    assert entry["supportedKinds"] == [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]
    assert set(reasons(entry)) == {"Accepted", "Programmed", "ResolvedRefs", "Conflicted"}
    assert {one["observedGeneration"] for one in (*found["conditions"], *entry["conditions"])} == {2}
    assert found["addresses"] == [{"type": "IPAddress", "value": "192.0.2.1"}]


@pytest.mark.parametrize(
    ("listeners", "accepted", "programmed"),
    [
        ((listener(), listener("b", CONFLICT)), ("True", "ListenersNotValid"), ("True", "Programmed")),
        ((listener("b", CONFLICT),), ("False", "ListenersNotValid"), ("False", "Invalid")),
        ((listener(), listener("b", INVALID, mode="Terminate")), ("True", "Accepted"), ("True", "Programmed")),
        ((listener("b", INVALID, mode="Terminate"),), ("True", "Accepted"), ("False", "Invalid")),
        ((listener(), listener("b", pending="later")), ("True", "Accepted"), ("False", "Pending")),
        ((listener(), listener("b", refusal="bad")), ("True", "Accepted"), ("True", "Programmed")),
        ((listener("b", refusal="bad"),), ("True", "Accepted"), ("False", "Invalid")),
        ((listener(), listener("b", CONFLICT, "ListenerSet")), ("True", "Accepted"), ("True", "Programmed")),
    ],
)
def test_one_listener_that_works_is_enough(
    listeners: tuple[ServedListener, ...], accepted: tuple[str, str], programmed: tuple[str, str]
) -> None:
    found = reasons(written(*listeners))
    assert (found["Accepted"], found["Programmed"]) == (accepted, programmed)


@pytest.mark.parametrize(
    ("wanted", "problems", "addresses", "accepted", "programmed"),
    [
        (["192.0.2.1"], (UNSUPPORTED,), (), "UnsupportedAddress", "Invalid"),
        (["192.0.2.1", "172.18.254.201"], (), (), "Accepted", "AddressNotUsable"),
        (["192.0.2.1", "172.18.254.201"], (), ("172.18.254.201",), "Accepted", "AddressNotUsable"),
        (["172.18.254.201"], (), ("172.18.254.201",), "Accepted", "Programmed"),
        ([""], (), ("172.18.254.7",), "Accepted", "Programmed"),
        ([], (), (), "Accepted", "AddressNotAssigned"),
    ],
)
def test_each_wanted_address_is_needed(
    wanted: list[str], problems: tuple[Problem, ...], addresses: tuple[str, ...], accepted: str, programmed: str
) -> None:
    item = gateway(addresses=[{"type": "IPAddress", "value": one} for one in wanted])
    found = reasons(written(listener(), item=item, problems=problems, addresses=addresses))
    assert (found["Accepted"][1], found["Programmed"][1]) == (accepted, programmed)


def test_a_default_gateway_has_a_condition_that_goes_with_its_scope() -> None:
    status = written(listener(), item=gateway(defaultScope="All"))
    assert reasons(status)["DefaultGateway"] == ("True", "DefaultGateway")
    for scope in (None, "None"):
        assert "DefaultGateway" not in reasons(written(listener(), item=gateway(status, defaultScope=scope)))


def test_a_condition_that_is_over_goes_and_one_of_others_stays() -> None:
    insecure = Problem("InsecureFrontendValidationMode", "True", "ConfigurationChanged", "insecure")
    first = written(listener(), problems=(insecure,))
    assert "InsecureFrontendValidationMode" in reasons(first)
    foreign = {"type": "example.com/Audited", "status": "True", "observedGeneration": 1}
    known = gateway({**first, "conditions": [*first["conditions"], foreign]}, generation=3)
    found = reasons(written(listener(), item=known))
    assert set(found) == {"Accepted", "Programmed", "ResolvedRefs", "example.com/Audited"}


def test_a_status_that_is_right_is_not_written_again() -> None:
    first = written(listener(), sets=1)
    assert first["attachedListenerSets"] == 1
    known = gateway({name: value for name, value in first.items() if value is not None})
    assert not written(listener(), item=known, sets=1, now=LATE)
    again = written(listener(pending="later"), item=known, sets=0, now=LATE)
    assert again["attachedListenerSets"] is None
    times = {one["type"]: one["lastTransitionTime"] for one in again["conditions"]}
    assert times["Accepted"] == "2026-01-01T00:00:00Z"
    assert times["Programmed"] == "2026-01-02T00:00:00Z"


def test_an_overlap_is_reported_and_goes_with_its_reason() -> None:
    overlap = Problem("OverlappingTLSConfig", "True", "OverlappingHostnames", "a.org, *.org")
    first = written(listener(problems=(overlap,)))
    assert reasons(first["listeners"][0])["OverlappingTLSConfig"] == ("True", "OverlappingHostnames")
    found = written(listener(), item=gateway({"listeners": first["listeners"]}))
    assert "OverlappingTLSConfig" not in reasons(found["listeners"][0])


def set_status(*listeners: ServedListener, admitted: bool = True, parent_accepted: bool = True) -> Mapping[str, Any]:
    metadata = {"namespace": "infra", "name": "set", "generation": 4}
    item = msgspec.convert({"metadata": metadata, "spec": {"parentRef": {"name": "gw"}}}, ListenerSet)
    return listener_set_status(item, listeners, EARLY, admitted=admitted, parent_accepted=parent_accepted)


def entry_of_set(name: str = "http", problems: tuple[Problem, ...] = (), **known: Any) -> ServedListener:
    return listener(name, problems, "ListenerSet", **known)


@pytest.mark.parametrize(
    ("listeners", "settings", "accepted", "programmed"),
    [
        ((entry_of_set(),), {}, ("True", "Accepted"), ("True", "Programmed")),
        ((entry_of_set(), entry_of_set("b", CONFLICT)), {}, ("True", "ListenersNotValid"), ("True", "Programmed")),
        ((entry_of_set("b", CONFLICT),), {}, ("False", "ListenersNotValid"), ("False", "ListenersNotValid")),
        ((), {"admitted": False}, ("False", "NotAllowed"), ("False", "NotAllowed")),
        ((entry_of_set(),), {"parent_accepted": False}, ("False", "ParentNotAccepted"), ("False", "ParentNotAccepted")),
        ((entry_of_set(pending="later"),), {}, ("True", "Accepted"), ("False", "Pending")),
        ((entry_of_set(refusal="bad"),), {}, ("True", "Accepted"), ("False", "Invalid")),
    ],
)
def test_the_conditions_of_a_listener_set(
    listeners: tuple[ServedListener, ...],
    settings: dict[str, bool],
    accepted: tuple[str, str],
    programmed: tuple[str, str],
) -> None:
    found = reasons(set_status(*listeners, **settings))
    assert (found["Accepted"], found["Programmed"]) == (accepted, programmed)


def test_a_conflicted_entry_has_one_reason_and_does_not_count() -> None:
    conflicted = entry_of_set("b", CONFLICT)
    (entry,) = set_status(conflicted)["listeners"]
    assert reasons(entry) == {
        "Accepted": ("False", "HostnameConflict"),
        "Programmed": ("False", "HostnameConflict"),
        "Conflicted": ("True", "HostnameConflict"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }
    assert not is_attached([conflicted])
    assert is_attached([conflicted, entry_of_set()])


def class_of(generation: int = 1, **status: Any) -> GatewayClass:
    return msgspec.convert({"metadata": {"name": "c", "generation": generation}, "status": status}, GatewayClass)


def test_a_class_is_accepted_with_the_features_of_its_channel() -> None:
    standard, experimental = supported(experimental=False), supported(experimental=True)
    assert set(experimental) - set(standard) == set(EXPERIMENTAL)
    assert list(experimental) == sorted(experimental)
    found = class_status(class_of(), None, standard, "v1.6.3", EARLY)
    assert reasons(found) == {"Accepted": ("True", "Accepted"), "SupportedVersion": ("True", "SupportedVersion")}
    assert [one["name"] for one in found["supportedFeatures"]] == list(standard)
    assert not class_status(class_of(**found), None, standard, "v1.6.3", LATE)
    assert class_status(class_of(generation=2, **found), None, standard, "v1.6.3", LATE)
    assert class_status(class_of(**found), None, experimental, "v1.6.3", LATE)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("v1.6.1", ("True", "SupportedVersion")),
        ("v1.6.0-rc.1", ("True", "SupportedVersion")),
        ("v1.5.1", ("False", "UnsupportedVersion")),
        ("v1.60.0", ("False", "UnsupportedVersion")),
        ("", ("False", "UnsupportedVersion")),
        (None, None),
    ],
)
def test_the_release_of_the_definitions_is_supported_or_not(
    release: str | None, expected: tuple[str, str] | None
) -> None:
    found = reasons(class_status(class_of(), None, (), release, EARLY))
    assert found.get("SupportedVersion") == expected
    assert found["Accepted"] == ("True", "Accepted"), "what is the same in both is served"


def test_a_class_with_a_problem_is_not_accepted() -> None:
    problem = Problem("Accepted", "False", "InvalidParameters", "spec.parametersRef: absent")
    assert reasons(class_status(class_of(), problem, (), None, EARLY)) == {"Accepted": ("False", "InvalidParameters")}

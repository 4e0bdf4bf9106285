"""Every row of the rules for endpoints and traffic policies, and random endpoints against a transcription of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.backend_choice import (
    Choice,
    Outcome,
    Place,
    Reason,
    Topology,
    TrafficPolicy,
    choose,
    reasons,
)
from podwire.kube.backends import Backend, Member

CLUSTER, LOCAL = TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL
HERE = Place("one", "a")
Members = dict[Backend, Member]


def member(
    last: int, node: str = "one", state: str = "ready", zones: str = "", nodes: tuple[str, ...] = ()
) -> tuple[Backend, Member]:
    """One endpoint; each letter of `zones` is a zone hint."""
    ready, serving, terminating = STATES[state]
    address = f"10.0.0.{last}"
    return Backend(address, 80), Member(
        address, ready, serving, terminating, node, zone_hints=tuple(zones), node_hints=nodes
    )


STATES = {
    "ready": (True, True, False),
    "unready": (False, False, False),
    "held back": (False, True, False),
    "ending": (False, True, True),
    "ended": (False, False, True),
    "published": (True, True, True),
}
"""ready, serving, terminating; `published` is a terminating one of a Service with publishNotReadyAddresses."""


def used(members: Members, policy: TrafficPolicy = CLUSTER, place: Place = HERE) -> set[int]:
    """The last numbers of the chosen addresses."""
    choice = choose(members, place, policy)
    assert (choice.outcome is Outcome.USED) == bool(choice.backends)
    return {int(backend.address.rsplit(".", 1)[1]) for backend in choice.backends}


def test_ready_endpoints_are_used_and_no_others() -> None:
    members = dict([member(1), member(2, state="ending"), member(3, state="unready"), member(4, state="held back")])
    assert used(members) == used(members, LOCAL) == {1}
    assert not choose(members, HERE, CLUSTER).fallback


def test_without_a_ready_one_those_that_serve_while_they_terminate_are_used() -> None:
    members = dict([member(2, state="ending"), member(3, state="unready"), member(4, state="held back")])
    for policy in (CLUSTER, LOCAL):
        assert used(members, policy) == {2}
        assert choose(members, HERE, policy).fallback


def test_the_terminating_fall_back_is_decided_for_each_policy() -> None:
    members = dict([member(1, "two"), member(2, "one", "ending")])
    assert used(members) == {1}
    assert used(members, LOCAL) == {2}
    assert (choose(members, HERE, CLUSTER).fallback, choose(members, HERE, LOCAL).fallback) == (False, True)


@pytest.mark.parametrize("state", ["ready", "ending"])
def test_the_local_list_never_uses_another_nodes_endpoints(state: str) -> None:
    members = dict([member(1, "two", state), member(2, "one", "ended")])
    assert used(members) == {1}
    assert choose(members, HERE, LOCAL) == Choice((), Outcome.DROP)


def test_an_endpoint_without_a_node_is_local_to_none() -> None:
    members = dict([member(1, "")])
    assert used(members) == {1}
    assert choose(members, HERE, LOCAL).outcome is Outcome.DROP


@pytest.mark.parametrize("policy", [CLUSTER, LOCAL])
@pytest.mark.parametrize("states", [(), ("unready",), ("held back",), ("ended",), ("unready", "ended")])
def test_without_a_usable_endpoint_anywhere_connections_are_refused(
    policy: TrafficPolicy, states: tuple[str, ...]
) -> None:
    members = dict(member(last, "two", state) for last, state in enumerate(states))
    assert choose(members, HERE, policy) == Choice((), Outcome.REFUSE)


def test_an_endpoint_that_is_published_while_it_terminates_counts_as_ready() -> None:
    members = dict([member(1, state="published"), member(2, state="ending")])
    assert used(members) == used(members, LOCAL) == {1}


def test_zone_hints_choose_the_endpoints_of_this_zone() -> None:
    members = dict([member(1, "two", zones="a"), member(2, "two", zones="b"), member(3, "two", zones="ba")])
    assert used(members) == {1, 3}
    assert choose(members, HERE, CLUSTER).topology is Topology.ZONE
    assert used(members, place=Place("one", "b")) == {2, 3}


def test_zone_hints_of_no_effect() -> None:
    pair = [member(1, zones="b"), member(2, zones="c")]
    assert used(dict(pair)) == {1, 2}, "no hint names this zone"
    assert used(dict([member(1, zones="a"), member(2)])) == {1, 2}, "a ready endpoint has no hint"
    assert used(dict([member(1, zones="a"), member(2, zones="b")]), place=Place("one")) == {1, 2}, "no zone label"
    assert used(dict([member(1, zones="a", state="ending"), member(2, zones="b", state="ending")])) == {1, 2}
    assert choose(dict(pair), HERE, CLUSTER).topology is Topology.NONE


def test_hints_are_read_of_ready_endpoints_only() -> None:
    members = dict([member(1, zones="a"), member(2, zones="b"), member(3, state="unready"), member(4, state="ending")])
    assert used(members) == {1}


def test_node_hints_come_before_zone_hints() -> None:
    members = dict([member(1, zones="a", nodes=("two",)), member(2, zones="b", nodes=("one",))])
    assert used(members) == {2}
    assert choose(members, HERE, CLUSTER).topology is Topology.NODE


def test_node_hints_without_this_node_leave_the_choice_to_the_zone() -> None:
    members = dict([member(1, zones="a", nodes=("two",)), member(2, zones="b", nodes=("three",))])
    assert used(members) == {1}
    one_without = dict([member(1, zones="a", nodes=("two",)), member(2, zones="b")])
    assert used(one_without, place=Place("two", "b")) == {2}


def test_the_local_list_ignores_hints() -> None:
    members = dict([member(1, "one", zones="b", nodes=("two",)), member(2, "two", zones="a", nodes=("one",))])
    assert used(members) == {2}
    assert used(members, LOCAL) == {1}


@pytest.mark.parametrize("value", [None, "", "Cluster", "Other"])
def test_every_value_but_local_means_cluster(value: str | None) -> None:
    assert TrafficPolicy.of(value) is CLUSTER
    assert TrafficPolicy.of("Local") is LOCAL


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            CLUSTER,
            [Reason.USED, Reason.USED, Reason.NOT_READY, Reason.TERMINATING, Reason.TERMINATING, Reason.NOT_SERVING],
        ),
        (
            LOCAL,
            [Reason.USED, Reason.OTHER_NODE, Reason.NOT_READY, Reason.TERMINATING, Reason.OTHER_NODE,
             Reason.NOT_SERVING],
        ),
    ],
)  # fmt: skip
def test_reasons_of_states_and_places(policy: TrafficPolicy, expected: list[Reason]) -> None:
    members = dict(
        [
            member(1), member(2, "two"), member(3, state="unready"), member(4, state="ending"),
            member(5, "two", "ending"), member(6, state="ended"),
        ]
    )  # fmt: skip
    choice = choose(members, HERE, policy)
    assert list(reasons(members, HERE, policy, choice).values()) == expected


def test_reasons_of_hints() -> None:
    by_zone = dict([member(1, zones="a"), member(2, zones="b")])
    by_node = dict([member(1, nodes=("one",)), member(2, nodes=("two",))])
    for members, reason in ((by_zone, Reason.OTHER_ZONE_HINT), (by_node, Reason.OTHER_NODE_HINT)):
        choice = choose(members, HERE, CLUSTER)
        assert list(reasons(members, HERE, CLUSTER, choice).values()) == [Reason.USED, reason]


hints = st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple)
node_hints = st.lists(st.sampled_from(["one", "two"]), max_size=2).map(tuple)


@st.composite
def random_members(draw: st.DrawFn) -> Members:
    """Draw up to six endpoints; hints are on all or on some, as one without any switches them off."""
    with_zones, with_nodes = draw(st.booleans()), draw(st.booleans())
    found = {}
    for last in range(draw(st.integers(0, 6))):
        backend, plain = member(last, draw(st.sampled_from(["one", "two", ""])), draw(st.sampled_from(list(STATES))))
        zones = draw(hints) or (("a",) if with_zones else ())
        nodes = draw(node_hints) or (("one",) if with_nodes else ())
        found[backend] = Member(
            plain.address, plain.ready, plain.serving, plain.terminating, plain.node, zone_hints=zones,
            node_hints=nodes,
        )  # fmt: skip
    return found


def literal(members: Members, place: Place, policy: TrafficPolicy) -> tuple[set[Backend], Outcome]:
    """Apply the rules one by one as they are written, each with its own pass."""
    ready = {b for b, m in members.items() if m.ready}
    serving_terminating = {b for b, m in members.items() if not m.ready and m.serving and m.terminating}
    has_any = bool(ready | serving_terminating)
    if policy is LOCAL:
        local = {b for b, m in members.items() if m.node != "" and m.node == place.node}
        found = (ready & local) or (serving_terminating & local)
        return found, Outcome.USED if found else Outcome.DROP if has_any else Outcome.REFUSE
    if not ready:
        return serving_terminating, Outcome.USED if serving_terminating else Outcome.REFUSE
    for_node = {b for b in ready if place.node in members[b].node_hints}
    for_zone = {b for b in ready if place.zone != "" and place.zone in members[b].zone_hints}
    if for_node and not [b for b in ready if not members[b].node_hints]:
        return for_node, Outcome.USED
    if for_zone and not [b for b in ready if not members[b].zone_hints]:
        return for_zone, Outcome.USED
    return ready, Outcome.USED


places = st.builds(Place, st.sampled_from(["one", "two", "three"]), st.sampled_from(["a", "b", "c", ""]))


@given(random_members(), places, st.sampled_from(TrafficPolicy))
def test_random_endpoints_are_chosen_as_the_rules_say(members: Members, place: Place, policy: TrafficPolicy) -> None:
    choice = choose(members, place, policy)
    assert (set(choice.backends), choice.outcome) == literal(members, place, policy)
    assert [b for b in members if b in choice.backends] == list(choice.backends), "in the order of the members"
    why = reasons(members, place, policy, choice)
    assert list(why) == list(members)
    assert {b for b, reason in why.items() if reason is Reason.USED} == set(choice.backends)
    assert choice.fallback == (bool(choice.backends) and not any(members[b].ready for b in choice.backends))

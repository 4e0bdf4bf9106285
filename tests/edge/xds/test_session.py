"""Each rule of the delta protocol, and each known trap of control planes, by single messages.

Sources: Envoy's xds_protocol.rst; discovery.proto; the issues named beside the tests.
"""

from __future__ import annotations

import msgspec
import pytest

from podwire.edge.xds.messages import Request
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, VIRTUAL_HOST, Resource
from podwire.edge.xds.session import RESPONSE_BYTES
from tests.edge.xds.envoy_script import (
    SHOP,
    SHOP_REQUESTS,
    Script,
    cluster,
    endpoints,
    host,
    listener,
    routes,
    served,
)

SUBSCRIPTIONS: dict[str, tuple[tuple[Request, ...], list[str]]] = {
    "a wildcard: every resource": ((Request(CLUSTER),), ["CDS a=1 b=1"]),
    "the name of the wildcard": ((Request(CLUSTER, subscribe=("*",)),), ["CDS a=1 b=1"]),
    "one name": ((Request(ENDPOINTS, subscribe=("a",)),), ["EDS a=1"]),
    "a wildcard and a name": ((Request(CLUSTER, subscribe=("*", "b")),), ["CDS a=1 b=1"]),
    "a name, later the wildcard": (
        (Request(CLUSTER, subscribe=("a",)), Request(CLUSTER, subscribe=("*",))),
        ["CDS a=1 b=1"],
    ),
    "a name that does not exist: its absence": ((Request(ENDPOINTS, subscribe=("x",)),), ["EDS -x"]),
    "known and unknown names in one request": ((Request(ENDPOINTS, subscribe=("a", "x")),), ["EDS a=1 -x"]),
    "the first wildcard of an empty type: an empty response (go-control-plane #1034)": ((Request(LISTENER),), ["LDS"]),
    "an empty list later: no change": ((Request(ENDPOINTS, subscribe=("a",)), Request(ENDPOINTS)), ["EDS a=1"]),
    "both lists in one request": (
        (Request(ENDPOINTS, subscribe=("a",)), Request(ENDPOINTS, subscribe=("b",), unsubscribe=("a",))),
        ["EDS b=1"],
    ),
    "both lists in the first request": ((Request(ENDPOINTS, subscribe=("a",), unsubscribe=("b",)),), ["EDS a=1"]),
    "both lists with the same name: it is sent": (
        (Request(ENDPOINTS, subscribe=("b",)), Request(ENDPOINTS, subscribe=("a",), unsubscribe=("a",))),
        ["EDS a=1 b=1"],
    ),
    "one name twice: one resource": ((Request(ENDPOINTS, subscribe=("a", "a")),), ["EDS a=1"]),
    "versions after the first request: they do not count": (
        (Request(ENDPOINTS, subscribe=("a",)), Request(ENDPOINTS, subscribe=("b",), initial_versions={"b": "1"})),
        ["EDS a=1 b=1"],
    ),
    "an unknown name is unsubscribed: nothing": (
        (Request(ENDPOINTS, subscribe=("a",)), Request(ENDPOINTS, unsubscribe=("x",))),
        ["EDS a=1"],
    ),
    "types do not mix": ((Request(CLUSTER), Request(ENDPOINTS, subscribe=("b",))), ["CDS a=1 b=1", "EDS b=1"]),
}


@pytest.mark.parametrize(("requests", "expected"), SUBSCRIPTIONS.values(), ids=SUBSCRIPTIONS)
def test_a_subscription_is_answered(requests: tuple[Request, ...], expected: list[str]) -> None:
    script = Script(cluster("a"), cluster("b"), endpoints("a"), endpoints("b"))
    assert script.send(*requests) == expected
    script.settle()
    assert script.received() == []


def test_a_name_that_was_unknown_is_sent_once_it_exists() -> None:
    script = Script()
    assert script.send(Request(ENDPOINTS, subscribe=("a",))) == ["EDS -a"]
    assert script.acknowledge(ENDPOINTS) == []
    assert script.change(endpoints("a")) == ["EDS a=1"]


def test_a_name_subscribed_twice_is_sent_twice_as_the_client_may_have_dropped_it() -> None:
    script = Script(endpoints("a"))
    script.send(Request(ENDPOINTS, subscribe=("a",)))
    assert script.acknowledge(ENDPOINTS) == []
    assert script.send(Request(ENDPOINTS, subscribe=("a",))) == ["EDS a=1"]
    assert script.acknowledge(ENDPOINTS) == []


def test_a_name_unsubscribed_under_a_wildcard_is_answered_with_its_state() -> None:
    script = Script(cluster("a"))
    script.send(Request(CLUSTER, subscribe=("*", "a", "x")))
    script.settle()
    assert script.send(Request(CLUSTER, unsubscribe=("a",))) == ["CDS a=1"]
    script.settle()
    assert script.send(Request(CLUSTER, unsubscribe=("x",))) == ["CDS -x"]


def test_after_the_wildcard_ends_only_names_are_sent() -> None:
    script = Script(cluster("a"), cluster("b"))
    script.send(Request(CLUSTER, subscribe=("*", "a")))
    script.settle()
    assert script.send(Request(CLUSTER, unsubscribe=("*",))) == []
    assert script.change(cluster("a", "2"), cluster("b", "2")) == ["CDS a=2"]


def test_a_wildcard_by_an_empty_list_stays_beside_names_until_its_name_ends_it() -> None:
    script = Script(cluster("a"), cluster("b"))
    assert script.send(Request(CLUSTER)) == ["CDS a=1 b=1"]
    script.settle()
    assert script.send(Request(CLUSTER, subscribe=("b",))) == ["CDS b=1"]
    script.settle()
    assert script.change(cluster("a", "2")) == ["CDS a=2"]
    script.settle()
    assert script.send(Request(CLUSTER, unsubscribe=("*",))) == []
    assert script.change(cluster("a", "3"), cluster("b", "3")) == ["CDS b=3"]


def test_an_acknowledgement_may_change_the_subscription() -> None:
    script = Script(endpoints("a"), endpoints("b"))
    script.send(Request(ENDPOINTS, subscribe=("a",)))
    assert script.acknowledge(ENDPOINTS, subscribe=("b",)) == ["EDS b=1"]
    nonce = script.last.pop(ENDPOINTS).nonce
    assert script.send(Request(ENDPOINTS, nonce=nonce, unsubscribe=("a",))) == []
    assert script.change(endpoints("a", "2"), endpoints("b", "2")) == ["EDS b=2"]


def test_a_spontaneous_request_acknowledges_nothing() -> None:
    script = Script(endpoints("a"), endpoints("b"))
    script.send(Request(ENDPOINTS, subscribe=("a",)))
    assert script.send(Request(ENDPOINTS, subscribe=("b",))) == []
    assert not script.session.is_current((ENDPOINTS, "a"))
    assert script.acknowledge(ENDPOINTS) == ["EDS b=1"]


def test_a_stale_nonce_acknowledges_nothing_and_its_subscription_counts() -> None:
    script = Script(endpoints("a"), endpoints("b"))
    script.send(Request(ENDPOINTS, subscribe=("a",)))
    assert script.send(Request(ENDPOINTS, subscribe=("b",), nonce="stale")) == []
    assert not script.session.is_current((ENDPOINTS, "a"))
    assert script.acknowledge(ENDPOINTS) == ["EDS b=1"]
    assert script.session.is_current((ENDPOINTS, "a"))
    script.settle()
    script.send(Request(ENDPOINTS, nonce="stale", error="late"))
    assert script.session.refusal((ENDPOINTS, "a")) == ""


def test_nonces_are_unique_on_the_stream() -> None:
    script = Script(*SHOP)
    script.send(*SHOP_REQUESTS)
    nonces = [one.nonce for one in script.last.values()]
    script.change(endpoints("c", "2"))
    script.acknowledge(ENDPOINTS)
    assert script.last[ENDPOINTS].nonce not in nonces
    assert len(set(nonces)) == len(nonces)


def test_one_response_of_a_type_is_in_flight_and_changes_meanwhile_are_joined() -> None:
    script = Script(endpoints("a"))
    script.send(Request(ENDPOINTS, subscribe=("a",)))
    assert [script.change(endpoints("a", version)) for version in ("2", "3", "4")] == [[], [], []]
    assert script.acknowledge(ENDPOINTS) == ["EDS a=4"]


def test_a_change_taken_back_while_in_flight_is_sent_again() -> None:
    script = served(endpoints("c", "1"))
    assert script.change(endpoints("c", "2")) == ["EDS c=2"]
    assert script.change(endpoints("c", "1")) == []
    assert script.acknowledge(ENDPOINTS) == ["EDS c=1"]


def test_nothing_changed_nothing_sent() -> None:
    """envoy #46383: clusters that are announced again and again without a change stay warming."""
    script = served(*SHOP)
    assert [script.change(*SHOP) for _ in range(3)] == [[], [], []]
    script.change(cluster("c", "2"))
    assert [script.change(cluster("c", "2")) for _ in range(3)] == [[], [], []], "nor one that is being warmed"


def test_a_cluster_without_endpoints_is_warmed_by_their_absence() -> None:
    """envoy #21425: a start waits for an answer about the endpoints of every cluster."""
    script = Script(cluster("c"), cluster("empty"), endpoints("c"))
    script.send(Request(CLUSTER))
    assert script.send(Request(ENDPOINTS, subscribe=("c", "empty"))) == ["EDS c=1 -empty"]
    script.settle()
    assert script.session.is_current((CLUSTER, "empty"))


def test_a_cold_start_is_make_before_break() -> None:
    script = Script(*SHOP)
    assert script.send(*SHOP_REQUESTS) == ["CDS c=1", "EDS c=1", "LDS l=1", "RDS t=1"]
    assert script.acknowledge(ROUTES) == []
    assert script.acknowledge(CLUSTER) == [], "the acknowledgement of a cluster comes before it is warm (envoy #5174)"
    assert script.acknowledge(ENDPOINTS) == ["VHDS t/a=1"]


def test_a_route_waits_for_the_secret_of_its_new_cluster() -> None:
    key = (SECRET, "key")
    script = served(*SHOP)
    assert script.change(
        cluster("d", "1", key), endpoints("d"), Resource(*key, "1", b""), host("t/a", "d", version="2")
    ) == ["CDS d=1"]
    script.send(Request(ENDPOINTS, subscribe=("d",)), Request(SECRET, subscribe=("key",)))
    assert script.acknowledge(CLUSTER) == []
    assert script.acknowledge(ENDPOINTS) == []
    assert script.acknowledge(SECRET) == ["VHDS t/a=2"]


def test_an_old_cluster_stays_until_the_route_that_left_it_is_acknowledged() -> None:
    script = served(*SHOP)
    sent = script.change(
        cluster("d"), endpoints("d"), host("t/a", "d", version="2"), remove=[(CLUSTER, "c"), (ENDPOINTS, "c")]
    )
    assert sent == ["CDS d=1"]
    script.send(Request(ENDPOINTS, subscribe=("d",)))
    assert script.acknowledge(CLUSTER) == []
    assert script.acknowledge(ENDPOINTS) == ["VHDS t/a=2"]
    assert script.acknowledge(VIRTUAL_HOST) == ["CDS -c"]
    assert script.acknowledge(CLUSTER) == ["EDS -c"]


def test_a_changed_cluster_serves_all_the_time_and_is_warmed_by_its_endpoints() -> None:
    """envoy #31535: Envoy warms it until another response with its endpoints, or for 15 seconds."""
    script = served(*SHOP)
    assert script.change(cluster("c", "2"), host("t/b", "c")) == ["CDS c=2", "EDS c=1", "VHDS t/b=1"]
    assert script.acknowledge(CLUSTER) == []
    assert not script.session.is_current((CLUSTER, "c"))
    assert script.acknowledge(ENDPOINTS) == []
    assert script.session.is_current((CLUSTER, "c"))


def test_two_clusters_of_the_same_endpoints_are_both_warmed_after_them() -> None:
    second = Resource(CLUSTER, "d", "1", b"", warms=((ENDPOINTS, "c"),))
    script = served(*SHOP)
    assert script.change(second, host("t/a", "d", version="2")) == ["CDS d=1", "EDS c=1"]
    assert script.acknowledge(CLUSTER) == []
    assert script.acknowledge(ENDPOINTS) == ["VHDS t/a=2"]


def test_endpoints_in_flight_before_a_cluster_do_not_warm_it() -> None:
    second = Resource(CLUSTER, "d", "1", b"", warms=((ENDPOINTS, "c"),))
    script = served(*SHOP)
    assert script.change(endpoints("c", "2")) == ["EDS c=2"]
    assert script.change(second, host("t/a", "d", version="2")) == ["CDS d=1"]
    assert script.acknowledge(CLUSTER) == []
    assert script.acknowledge(ENDPOINTS) == ["EDS c=2"]
    assert script.acknowledge(ENDPOINTS) == ["VHDS t/a=2"]


def test_a_route_to_a_cluster_that_does_not_exist_is_sent() -> None:
    script = served(*SHOP)
    assert script.change(host("t/a", "invalid", version="2")) == ["VHDS t/a=2"]


def test_what_is_removed_while_subscribed_comes_back_when_it_exists_again() -> None:
    script = served(cluster("c"), endpoints("c"))
    assert script.change(remove=[(CLUSTER, "c"), (ENDPOINTS, "c")]) == ["CDS -c"]
    assert script.acknowledge(CLUSTER) == ["EDS -c"]
    assert script.acknowledge(ENDPOINTS) == []
    assert script.change(cluster("c"), endpoints("c")) == ["CDS c=1", "EDS c=1"]
    assert script.settle() == []


def test_hosts_follow_the_acknowledgement_of_their_table() -> None:
    script = served(*SHOP)
    assert script.change(listener("m", "u"), routes("u"), host("u/a", "c")) == ["LDS m=1"]
    assert script.send(Request(ROUTES, subscribe=("u",))) == ["RDS u=1"]
    assert script.acknowledge(ROUTES) == ["VHDS u/a=1"]


def test_a_table_without_hosts_gets_an_answer() -> None:
    script = served(*SHOP)
    script.change(listener("m", "u"), routes("u"))
    script.send(Request(ROUTES, subscribe=("u",)))
    assert script.acknowledge(ROUTES) == ["VHDS -u/"]
    assert not script.session.is_current((ROUTES, "u"))
    assert script.acknowledge(VIRTUAL_HOST) == []
    assert script.session.is_current((ROUTES, "u"))


def test_hosts_are_sent_again_to_a_table_that_envoy_has_dropped() -> None:
    script = served(*SHOP)
    assert script.send(Request(ROUTES, unsubscribe=("t",))) == []
    assert not script.session.is_current((VIRTUAL_HOST, "t/a"))
    assert script.send(Request(ROUTES, subscribe=("t",))) == ["RDS t=1"]
    assert script.acknowledge(ROUTES) == ["VHDS t/a=1"]


def test_hosts_of_a_removed_listener_stay_until_it_is_drained() -> None:
    script = served(*SHOP)
    gone = [one.key for one in SHOP if one.type_url in (LISTENER, ROUTES, VIRTUAL_HOST)]
    assert script.change(remove=[*gone, (CLUSTER, "c")]) == ["LDS -l"]
    assert script.acknowledge(LISTENER) == []
    assert script.send(Request(ROUTES, unsubscribe=("t",))) == ["CDS -c", "VHDS -t/a"]


def test_one_refused_cluster_does_not_stop_the_others() -> None:
    script = Script(cluster("a"), cluster("bad"), cluster("c"))
    script.send(Request(CLUSTER))
    sent = script.acknowledge(CLUSTER, "one of them is bad")
    while script.last:
        names = [one.name for one in script.last[CLUSTER].resources]
        sent += script.acknowledge(CLUSTER, "no such type" if "bad" in names else "")
    assert sent == ["CDS a=1 bad=1", "CDS a=1", "CDS bad=1", "CDS c=1"]
    assert script.session.refusal((CLUSTER, "bad")) == "no such type"
    assert script.session.refusal((CLUSTER, "a")) == ""
    assert script.change(cluster("a", "2")) == ["CDS a=2"], "the refused version is not sent again and again"


def test_a_refused_version_is_mended_by_the_next_one() -> None:
    script = served(*SHOP)
    script.change(host("t/a", "c", version="bad"))
    assert script.acknowledge(VIRTUAL_HOST, "bad") == []
    assert not script.session.is_current((VIRTUAL_HOST, "t/a"))
    assert script.change(host("t/a", "c", version="3")) == ["VHDS t/a=3"]
    script.settle()
    assert script.session.is_current((VIRTUAL_HOST, "t/a"))
    assert script.session.refusal((VIRTUAL_HOST, "t/a")) == ""


def test_after_a_refusal_the_version_that_is_held_is_current_again() -> None:
    script = served(*SHOP)
    script.change(host("t/a", "c", version="bad"))
    script.acknowledge(VIRTUAL_HOST, "bad")
    assert script.change(host("t/a", "c", version="1")) == [], "Envoy has kept it"
    assert script.session.is_current((VIRTUAL_HOST, "t/a"))


def test_a_route_to_a_refused_cluster_is_sent() -> None:
    script = served(*SHOP)
    script.change(cluster("d"), host("t/a", "d", version="2"))
    assert script.acknowledge(CLUSTER, "bad") == ["VHDS t/a=2"]


def test_a_refused_removal_is_sent_again() -> None:
    script = served(cluster("a"), cluster("b"))
    script.change(cluster("b", "bad"), remove=[(CLUSTER, "a")])
    assert script.acknowledge(CLUSTER, "bad") == ["CDS -a"]


HELD = {
    CLUSTER: {"c": "1"},
    ENDPOINTS: {"c": "1"},
    LISTENER: {"l": "1"},
    ROUTES: {"t": "1"},
    VIRTUAL_HOST: {"t/a": "1"},
}


def again(**held: dict[str, str]) -> tuple[Request, ...]:
    """Return the first requests of an Envoy that connects again."""
    known = {**HELD, **{{"cds": CLUSTER, "vhds": VIRTUAL_HOST, "rds": ROUTES}[kind]: one for kind, one in held.items()}}
    return tuple(
        Request(one.type_url, subscribe=one.subscribe, initial_versions=known[one.type_url]) for one in SHOP_REQUESTS
    )


def test_a_reconnect_without_changes_sends_no_resource() -> None:
    script = Script(*SHOP)
    assert script.reconnect(*again()) == ["CDS", "LDS", "VHDS"]
    script.settle()
    assert all(script.session.is_current(one.key) for one in SHOP)


def test_a_reconnect_removes_names_that_envoy_subscribes_to_and_the_server_does_not_know() -> None:
    script = Script(*SHOP)
    held = list(again())
    held[2] = Request(ENDPOINTS, subscribe=("c", "gone"), initial_versions={"c": "1", "gone": "1"})
    assert script.reconnect(*held) == ["CDS", "EDS -gone", "LDS", "VHDS"]


def test_a_reconnect_sends_differences_then_removals() -> None:
    script = Script(*SHOP[:-1], host("t/a", "c", version="2"))
    sent = script.reconnect(*again(cds={"c": "1", "old": "7"}))
    assert sent == ["CDS", "LDS", "VHDS t/a=2"]
    assert script.settle() == ["CDS -old"], "what the old host needed is not known until it is replaced"


@pytest.mark.parametrize("answered", range(6), ids=lambda count: f"after {count} answers")
def test_a_reconnect_in_each_phase_of_warming(answered: int) -> None:
    """envoy #9934, #36951, #33607: Envoy reports what it has acknowledged and subscribes to the rest again."""
    script = Script(*SHOP)
    script.send(*SHOP_REQUESTS)
    held: dict[str, dict[str, str]] = {}
    for _ in range(answered):
        if script.last:
            response = script.last[next(iter(script.last))]
            held.setdefault(response.type_url, {}).update((one.name, one.version) for one in response.resources)
            script.acknowledge(response.type_url)
    requests = [
        Request(one.type_url, subscribe=one.subscribe, initial_versions=held.get(one.type_url, {}))
        for one in SHOP_REQUESTS
    ]
    script.reconnect(*requests)
    script.settle()
    assert all(script.session.is_current(one.key) for one in SHOP)


FOLLOWING = tuple(
    msgspec.structs.replace(one, follows=((LISTENER, "l"),)) if one.type_url == ENDPOINTS else one for one in SHOP
)
"""The endpoints must not be there before the wanted version of the listener is."""


def following(version: str) -> Resource:
    return msgspec.structs.replace(FOLLOWING[1], version=version)


def test_what_follows_a_listener_waits_for_its_wanted_version() -> None:
    script = served(*FOLLOWING)
    assert script.change(listener("l", "t", "2"), following("2")) == ["LDS l=2"]
    assert not script.session.is_settled(ENDPOINTS)
    assert script.change(listener("l", "t", "3")) == []
    assert script.acknowledge(LISTENER) == ["LDS l=3"], "another version is wanted by now"
    assert script.acknowledge(LISTENER) == ["EDS c=2"]
    script.settle()
    assert script.session.is_settled(ENDPOINTS)
    assert script.change(following("3")) == ["EDS c=3"]


def test_what_follows_a_listener_that_is_refused_waits_for_another_version() -> None:
    script = served(*FOLLOWING)
    assert script.change(listener("l", "t", "2"), following("2")) == ["LDS l=2"]
    assert script.acknowledge(LISTENER, error="l: bad") == []
    assert script.change(listener("l", "t", "1")) == ["EDS c=2"], "Envoy has it"


def test_an_envoy_without_the_listener_needs_no_order() -> None:
    script = Script(*FOLLOWING)
    assert script.send(*SHOP_REQUESTS[:1], SHOP_REQUESTS[2]) == ["CDS c=1", "EDS c=1"]


def test_on_a_later_stream_what_follows_a_listener_waits_until_its_version_is_reported() -> None:
    script = Script(*FOLLOWING[:1], following("2"), *FOLLOWING[2:])
    held = again()
    assert script.reconnect(held[0], held[2]) == ["CDS"]
    assert script.send(held[1]) == ["EDS c=2", "LDS"]
    script.change(following("3"), listener("l", "t", "2"))
    assert script.reconnect(held[2], held[0], held[1]) == ["CDS", "LDS l=2"]
    assert script.acknowledge(LISTENER) == ["EDS c=3"]


def test_two_servers_give_the_same_versions() -> None:
    first, second = served(*SHOP), Script(*reversed(SHOP))
    versions = {one.key: one.version for one in first.snapshot}
    assert versions == {one.key: one.version for one in second.snapshot}
    assert second.reconnect(*again()) == ["CDS", "LDS", "VHDS"]


def test_ten_thousand_names_at_start_are_few_responses() -> None:
    """envoy #11267: one request a name."""
    names = [f"c{number}" for number in range(10_000)]
    script = Script(*(endpoints(name, size=200) for name in names))
    for name in names:
        script.session.receive(Request(ENDPOINTS, subscribe=(name,)))
    responses = 0
    while script.received():
        responses += 1
        assert sum(len(one.body) for one in script.last[ENDPOINTS].resources) <= RESPONSE_BYTES
        nonce = script.last.pop(ENDPOINTS).nonce
        script.session.receive(Request(ENDPOINTS, nonce=nonce))
    assert responses == 2
    assert all(script.session.is_current((ENDPOINTS, name)) for name in names)


def test_a_resource_larger_than_a_response_is_sent_alone() -> None:
    script = Script(endpoints("a"), endpoints("large", size=RESPONSE_BYTES + 1), endpoints("z"))
    script.send(Request(ENDPOINTS, subscribe=("a", "large", "z")))
    sent = script.settle()
    assert {one for one in sent if "large" in one} == {"EDS large=1"}


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ENDPOINTS, ROUTES, VIRTUAL_HOST])
def test_touched_reports_what_has_become_current(type_url: str) -> None:
    script = Script(*SHOP)
    script.send(*SHOP_REQUESTS)
    script.session.touched()
    script.settle()
    touched = script.session.touched()
    assert {one.key for one in SHOP if one.type_url == type_url} <= set(touched)
    assert script.session.touched() == ()

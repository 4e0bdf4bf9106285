import pytest

from podwire.lab.supervisor.role_states import RoleSpec, State, Supervision


def spec(name: str, *after: str, once: bool = False) -> RoleSpec:
    return RoleSpec(name, f"m:{name}", "", once=once, after=after)


def names(specs: list[RoleSpec]) -> list[str]:
    return [s.name for s in specs]


def test_a_role_waits_for_what_must_be_done_first() -> None:
    roles = Supervision((spec("net", once=True), spec("api", "net")))
    assert names(roles.due(0)) == ["net"]
    assert names(roles.due(0)) == []
    roles.running("net", 7, 0)
    assert roles.exited(7, 0, 1) == "net"
    assert roles.state("net") is State.DONE
    assert names(roles.due(1)) == ["api"]


def test_what_failed_blocks_what_comes_after() -> None:
    roles = Supervision((spec("net", once=True), spec("api", "net")))
    roles.due(0)
    roles.running("net", 7, 0)
    roles.exited(7, 1, 1)
    assert roles.state("net") is State.FAILED
    assert names(roles.due(100)) == []


def test_a_killed_role_starts_again_later_and_later_while_it_dies_young() -> None:
    roles = Supervision((spec("api"),))
    waits = []
    now = 0.0
    for pid in range(1, 12):
        assert names(roles.due(now)) == ["api"]
        roles.running("api", pid, now)
        assert roles.exited(pid, -9, now) == "api"
        assert roles.due(now) == []
        wait = roles.next_due(now)
        assert wait is not None
        waits.append(wait)
        now += wait + 1e-6
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(0.02)
    assert waits[-1] == 5.0


def test_a_role_that_lived_long_starts_at_once() -> None:
    roles = Supervision((spec("api"),))
    for started, ended in ((0.0, 1.0), (2.0, 3.0), (10.0, 60.0)):
        roles.due(started)
        roles.running("api", 5, started)
        roles.exited(5, -9, ended)
    assert roles.next_due(60.0) == pytest.approx(0.02)


def test_a_zygote_that_ended_is_requested_again() -> None:
    roles = Supervision((spec("api"),))
    roles.due(0)
    roles.not_started("api", 0)
    assert names(roles.due(1)) == ["api"]


def test_an_unknown_process_is_no_role() -> None:
    roles = Supervision((spec("api"),))
    assert roles.exited(99, 0, 0) is None


def test_a_role_that_ended_before_the_zygote_answered_starts_again() -> None:
    roles = Supervision((spec("api"), spec("agent")))
    roles.due(0)
    assert roles.exited(7, -9, 0) is None
    roles.running("agent", 8, 0)
    roles.running("api", 7, 0)
    assert (roles.state("api"), roles.pid("api")) == (State.WAITING, 0)
    assert roles.state("agent") is State.RUNNING
    assert names(roles.due(1)) == ["api"]


def test_ends_of_unknown_processes_are_dropped_when_nothing_starts() -> None:
    roles = Supervision((spec("api"), spec("net", once=True)))
    roles.due(0)
    roles.exited(9, 0, 0)
    roles.running("api", 7, 0)
    roles.not_started("net", 0)
    assert names(roles.due(1)) == ["net"]
    roles.running("net", 9, 1)
    assert roles.state("net") is State.RUNNING, "a later process with the same number"


def test_held_roles_of_a_network_stay_away_until_they_are_released() -> None:
    roles = Supervision((RoleSpec("agent", "m:agent", "node-1"), RoleSpec("api", "m:api", "underlay")))
    roles.due(0)
    roles.running("agent", 7, 0)
    roles.hold("node-1")
    assert (roles.held("agent"), roles.held("api")) == (True, False)
    roles.exited(7, -9, 1)
    assert roles.due(100) == []
    assert roles.next_due(100) is None
    roles.release("node-1", 100)
    assert names(roles.due(100)) == ["agent"]


def test_a_role_on_demand_waits_until_it_is_requested() -> None:
    roles = Supervision((RoleSpec("relay", "m:relay", "", on_demand=True), spec("other")))
    assert [role.name for role in roles.due(0.0)] == ["other"]
    roles.demand("relay", 1.0)
    assert [role.name for role in roles.due(1.0)] == ["relay"]
    roles.running("relay", 7, 1.0)
    roles.exited(7, -9, 2.0)
    assert [role.name for role in roles.due(3.0)] == ["relay"], "it is kept like any other"


def test_a_request_starts_no_role_that_is_held_for_another_reason() -> None:
    roles = Supervision((RoleSpec("agent", "m:agent", "node-1"),))
    roles.hold("node-1")
    roles.demand("agent", 1.0)
    assert roles.due(1.0) == []
    with pytest.raises(KeyError):
        roles.demand("nobody", 1.0)


def test_a_role_on_demand_that_ends_by_itself_waits_for_the_next_request() -> None:
    roles = Supervision((RoleSpec("relay", "m:relay", "", on_demand=True),))
    roles.demand("relay", 0.0)
    roles.due(0.0)
    roles.running("relay", 7, 0.0)
    assert roles.exited(7, 0, 90.0) == "relay"
    assert roles.due(100.0) == []
    assert roles.next_due(100.0) is None
    roles.demand("relay", 101.0)
    assert [role.name for role in roles.due(101.0)] == ["relay"]


def test_a_request_while_it_still_runs_starts_it_again_once() -> None:
    roles = Supervision((RoleSpec("relay", "m:relay", "", on_demand=True),))
    roles.demand("relay", 0.0)
    roles.due(0.0)
    roles.running("relay", 7, 0.0)
    roles.demand("relay", 89.9)
    roles.exited(7, 0, 90.0)
    assert [role.name for role in roles.due(90.0)] == ["relay"]
    roles.running("relay", 8, 90.0)
    roles.exited(8, 0, 180.0)
    assert roles.due(200.0) == []

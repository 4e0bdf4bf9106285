"""Which agents work, by Leases: dead ones are left out, a restart and an absent API server change nothing."""

from datetime import UTC, datetime, timedelta

from podwire.announcement.heartbeats import MISSED, Heartbeats
from podwire.kube.coordination import Lease, LeaseSpec
from podwire.kube.watch import Change

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALL = frozenset({"own", "a", "b"})


def lease(node: str, age: float = 0.0) -> Lease:
    moment = NOW - timedelta(seconds=age)
    return Lease(spec=LeaseSpec(holder_identity=node, renew_time=f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"))


class Agents:
    """What the agent of node `own` sees."""

    def __init__(self, *leases: Lease) -> None:
        self.heartbeats = Heartbeats("own")
        self.heartbeats.begin(leases, NOW)
        self.time = 0.0

    def renew(self, *nodes: str) -> bool:
        self.time += 1
        changed = [self.heartbeats.lease_changed(Change(None, lease(node, -self.time))) for node in nodes]
        return any(changed)

    def living(self) -> frozenset[str]:
        return self.heartbeats.living(ALL)


def test_all_count_as_alive_until_leases_are_known() -> None:
    assert Heartbeats("own").living(ALL) == ALL


def test_a_node_that_renews_no_more_has_no_agent_until_it_renews_again() -> None:
    agents = Agents(lease("own"), lease("a"), lease("b"))
    for _ in range(MISSED - 1):
        assert not agents.renew("own", "b")
        assert agents.living() == ALL
    assert agents.renew("own", "b")
    assert agents.living() == {"own", "b"}
    assert agents.renew("a")
    assert agents.living() == ALL


def test_a_restart_within_the_time_changes_nothing() -> None:
    agents = Agents(lease("own"), lease("a"), lease("b"))
    for _ in range(5):
        assert not any(agents.renew("own", "b") for _ in range(MISSED - 1))
        assert not agents.renew("a")


def test_while_the_own_lease_is_not_renewed_nobody_is_dead() -> None:
    """The API server is away, or this agent was suspended."""
    agents = Agents(lease("own"), lease("a"), lease("b"))
    assert not any(agents.renew("b") for _ in range(10 * MISSED))
    assert agents.living() == ALL


def test_what_is_listed_again_is_no_renewal() -> None:
    agents = Agents(lease("own"), lease("a"), lease("b"))
    for _ in range(MISSED):
        agents.renew("own")
        for node in ("a", "b"):
            agents.heartbeats.lease_changed(Change(None, lease(node)))
            agents.heartbeats.lease_changed(Change(lease(node), None))
    assert agents.living() == {"own"}


def test_nodes_without_a_lease_are_given_time_where_all_agents_begin() -> None:
    for own in ((), (lease("own", 3600),)):
        agents = Agents(*own)
        assert agents.living() == ALL
        for _ in range(MISSED - 1):
            agents.renew("own")
            assert agents.living() == ALL
        assert agents.renew("own")
        assert agents.living() == {"own"}
        assert agents.renew("a")
        assert agents.living() == {"own", "a"}


def test_after_a_restart_a_node_without_an_agent_is_dead_from_the_start() -> None:
    agents = Agents(lease("own", 5), lease("a", 3600))
    assert agents.living() == {"own"}
    assert agents.renew("a")
    assert agents.living() == {"own", "a"}


def test_where_no_node_has_an_agent_all_may_announce() -> None:
    agents = Agents(lease("own", 1))
    assert agents.heartbeats.living(frozenset({"a", "b"})) == {"a", "b"}


def test_times_of_other_forms_are_taken_as_recent() -> None:
    strange = [
        Lease(spec=LeaseSpec(holder_identity=node, renew_time=text))
        for node, text in (("a", "yesterday"), ("b", "2026-01-01T12:00:00"))
    ]
    assert Agents(lease("own"), *strange).living() == ALL

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.coordination import Lease, LeaseSpec
from podwire.kube.leases import Election, State, Timing, Write
from podwire.kube.meta import ObjectMeta

TIMING = Timing(duration=15, deadline=10, retry=2)
WALL = datetime(2026, 1, 2, 3, 4, 5, 60000, tzinfo=UTC)


class Server:
    """One Lease with versions."""

    def __init__(self, holder: str = "", seconds: int = 15) -> None:
        self.version = 0
        self.lease: Lease | None = None
        if holder:
            self.put(LeaseSpec(holder_identity=holder, lease_duration_seconds=seconds, renew_time="0"))

    def put(self, spec: LeaseSpec) -> Lease:
        self.version += 1
        self.lease = Lease(metadata=ObjectMeta(name="l", resource_version=str(self.version)), spec=spec)
        return self.lease

    def take(self, write: Write) -> Lease | None:
        """None for a conflict."""
        current = self.lease.metadata.resource_version if self.lease is not None else ""
        return self.put(write.spec) if write.version == current else None


def attempt(election: Election, server: Server, now: float) -> State:
    """One round of a candidate."""
    election.check(now)
    if election.state is State.FOLLOWING:
        election.observe(server.lease, now)
    write = election.next_write(now, WALL + timedelta(seconds=now))
    if write is not None and (lease := server.take(write)) is not None:
        election.written(lease, now)
    elif write is not None:
        election.observe(server.lease, now)
    return election.check(now)


def leader(server: Server, now: float = 0.0, name: str = "a") -> Election:
    election = Election(name, TIMING)
    assert attempt(election, server, now) is State.LEADING
    return election


def test_a_free_lease_is_taken_and_its_content_is_that_of_client_go() -> None:
    server = Server()
    leader(server)
    assert server.lease is not None
    text = "2026-01-02T03:04:05.060000Z"
    assert server.lease.spec == LeaseSpec(
        holder_identity="a", lease_duration_seconds=15, acquire_time=text, renew_time=text, lease_transitions=0
    )


def test_renewal_keeps_the_time_of_acquisition_and_the_number_of_transitions() -> None:
    server = Server()
    election = leader(server)
    write = election.next_write(2.0, datetime(2027, 1, 1, tzinfo=UTC))
    assert write is not None
    assert (write.spec.acquire_time, write.spec.renew_time) == (
        "2026-01-02T03:04:05.060000Z",
        "2027-01-01T00:00:00.000000Z",
    )
    assert write.version == "1"


def test_the_lease_of_another_is_left_alone_until_it_has_not_changed_for_its_duration() -> None:
    server = Server("b", seconds=30)
    election = Election("a", TIMING)
    assert attempt(election, server, 100.0) is State.FOLLOWING
    assert attempt(election, server, 129.9) is State.FOLLOWING
    server.put(LeaseSpec(holder_identity="b", lease_duration_seconds=30, renew_time="1"))
    assert attempt(election, server, 131.0) is State.FOLLOWING, "it was renewed"
    assert attempt(election, server, 161.1) is State.LEADING
    assert server.lease is not None
    assert server.lease.spec.lease_transitions == 1


def test_a_released_lease_is_taken_at_once() -> None:
    server = Server()
    election = leader(server)
    release = election.release(WALL)
    assert release is not None
    assert release.body()["spec"]["holderIdentity"] is None, "an empty text is invalid"
    assert server.take(release) is not None
    leader(server, 0.1, "b")
    assert Election("c", TIMING).release() is None


def test_a_restarted_process_with_the_same_identity_leads_at_once() -> None:
    server = Server()
    leader(server)
    leader(server, 0.1, "a")


def test_a_leader_that_cannot_renew_stops_before_another_may_lead() -> None:
    server = Server()
    election = leader(server)
    assert election.check(9.9) is State.LEADING
    assert election.remaining(9.9) == pytest.approx(0.1)
    assert election.check(10.0) is State.LOST
    other = Election("b", TIMING)
    attempt(other, server, 0.0)
    assert attempt(other, server, 14.9) is State.FOLLOWING
    assert attempt(other, server, 15.1) is State.LEADING


def test_a_leader_whose_lease_is_taken_stops_and_one_whose_lease_is_deleted_makes_it_again() -> None:
    server = Server()
    election = leader(server)
    server.lease = None
    assert attempt(election, server, 1.0) is State.LEADING
    assert attempt(election, server, 2.0) is State.LEADING
    server.put(LeaseSpec(holder_identity="b", lease_duration_seconds=15))
    assert attempt(election, server, 3.0) is State.LOST


@pytest.mark.parametrize("values", [(10, 10, 2), (15, 2, 2), (15, 10, 0), (15, 20, 2)])
def test_timings_that_allow_two_leaders_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="is needed"):
        Timing(*values)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 8), st.booleans()), max_size=60))
def test_there_are_never_two_leaders(rounds: list[tuple[str, float, bool]]) -> None:
    """Candidates try at random times, some cut off from the server; a leader that stopped candidates again."""
    server, now = Server(), 0.0
    elections = {name: Election(name, TIMING) for name in "abc"}
    for name, pause, reached in rounds:
        now += pause
        if reached and attempt(elections[name], server, now) is State.LOST:
            elections[name] = Election(name, TIMING)
        assert sum(one.check(now) is State.LEADING for one in elections.values()) <= 1

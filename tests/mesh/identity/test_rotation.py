from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.mesh.identity import rotation
from podwire.mesh.identity.authority import AuthorityError, AuthorityState, Root, Signer, read, with_next, write
from podwire.mesh.identity.rotation import Lifetimes, Reports
from podwire.pki.certificates import CLOCK_SKEW
from tests.thoroughness import examples

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIFETIMES = Lifetimes()
KNOWN = Reports(is_known=True)


def make_root(name: str = "root-1", *, key: str = "key", begin: datetime = START) -> Root:
    return Root(f"certificate of {name}", name, begin - CLOCK_SKEW, begin + LIFETIMES.root, key)


def make_signer(name: str, root: str = "root-1", *, begin: datetime = START, days: float = 30) -> Signer:
    return Signer(f"certificate of {name}", "key", name, root, begin - CLOCK_SKEW, begin + days * DAY, begin)


FIRST = AuthorityState("cluster.local", (make_root(),), make_signer("one"))
OTHER_ROOT = with_next(FIRST, make_root("root-2", begin=START + DAY), make_signer("two", "root-2", begin=START + DAY))
SAME_ROOT = with_next(FIRST, make_root(), make_signer("two", begin=START + DAY))


def step(state: AuthorityState, now: datetime, reports: Reports = KNOWN) -> AuthorityState:
    return rotation.step(state, now, LIFETIMES, reports)


def names(state: AuthorityState) -> tuple[list[str], str, str, list[str]]:
    waiting = state.next.fingerprint if state.next is not None else ""
    return (
        [one.fingerprint for one in state.roots],
        state.active.fingerprint,
        waiting,
        [one.fingerprint for one in state.retired],
    )


def test_nothing_changes_while_nothing_is_due() -> None:
    assert step(FIRST, START + DAY) == FIRST
    assert step(FIRST, START - DAY) == FIRST


@pytest.mark.parametrize("state", [OTHER_ROOT, SAME_ROOT])
def test_the_next_one_does_not_sign_before_every_node_knows_it(state: AuthorityState) -> None:
    assert step(state, START + DAY + HOUR, Reports()) == state
    assert step(state, START + DAY + HOUR, Reports(in_use=frozenset({"one"}))) == state


def test_overlap_of_two_roots() -> None:
    assert names(OTHER_ROOT) == (["root-1", "root-2"], "one", "two", [])
    switched = step(OTHER_ROOT, START + DAY + HOUR)
    assert names(switched) == (["root-1", "root-2"], "two", "", ["one"])
    assert step(switched, START + 2 * DAY) == switched  # leaves of the first one are still valid
    assert names(step(switched, START + 2 * DAY + 2 * HOUR)) == (["root-2"], "two", "", [])


def test_another_intermediate_of_the_same_root_keeps_the_root() -> None:
    switched = step(SAME_ROOT, START + DAY)
    assert names(switched) == (["root-1"], "two", "", ["one"])
    assert names(step(switched, START + 3 * DAY)) == (["root-1"], "two", "", [])


def test_a_root_remains_while_a_node_has_leaves_of_it_whatever_the_clock_says() -> None:
    switched = step(OTHER_ROOT, START + DAY + HOUR)
    in_use = Reports(is_known=True, in_use=frozenset({"one"}))
    assert step(switched, START + 300 * DAY, in_use) == switched
    assert names(step(switched, START + 300 * DAY, KNOWN))[0] == ["root-2"]


def test_nodes_that_do_not_report_are_waited_for_one_day() -> None:
    assert step(OTHER_ROOT, START + DAY + 23 * HOUR, Reports()) == OTHER_ROOT
    assert step(OTHER_ROOT, START + 2 * DAY, Reports()).active.fingerprint == "two"


def test_the_next_one_signs_at_once_when_the_active_one_has_expired() -> None:
    late = with_next(FIRST, make_root(), make_signer("two", begin=START + 31 * DAY))
    assert step(late, START + 31 * DAY, Reports()).active.fingerprint == "two"


def test_an_intermediate_of_a_clock_that_is_ahead_does_not_sign_before_it_is_valid() -> None:
    ahead = with_next(FIRST, make_root(), make_signer("two", begin=START + 2 * DAY))
    assert step(ahead, START + DAY) == ahead
    assert step(ahead, START + 2 * DAY).active.fingerprint == "two"


def test_an_expired_intermediate_never_becomes_the_active_one() -> None:
    short = with_next(FIRST, make_root(), make_signer("two", begin=START, days=1))
    assert step(short, START + 2 * DAY) == short


def test_a_next_one_that_is_replaced_takes_its_root_with_it() -> None:
    replaced = with_next(OTHER_ROOT, make_root("root-3"), make_signer("three", "root-3"))
    assert names(replaced) == (["root-1", "root-3"], "one", "three", [])


def test_a_signer_is_not_added_again() -> None:
    with pytest.raises(AuthorityError, match="create another one"):
        with_next(FIRST, make_root(), make_signer("one"))


@pytest.mark.parametrize(
    ("state", "days", "intermediate", "root"),
    [
        (FIRST, 1, False, False),
        (FIRST, 14, False, False),
        (FIRST, 15, True, False),
        (FIRST, 40, True, False),
        (FIRST, 365 * 5 + 30, True, True),
        (SAME_ROOT, 40, False, False),
    ],
)
def test_what_is_due(state: AuthorityState, days: int, intermediate: bool, root: bool) -> None:
    now = START + days * DAY
    assert (rotation.is_intermediate_due(state, now), rotation.is_root_due(state, now)) == (intermediate, root)


def test_a_request_of_a_user_is_carried_out_once() -> None:
    assert rotation.is_root_due(FIRST, START, "first")
    done = msgspec.structs.replace(FIRST, rotation="first")
    assert not rotation.is_root_due(done, START, "first")
    assert rotation.is_root_due(done, START, "second")
    offline = msgspec.structs.replace(FIRST, roots=(make_root(key=""),))
    assert not rotation.is_root_due(offline, START, "first")
    assert not rotation.is_intermediate_due(offline, START + 20 * DAY)
    assert not rotation.is_root_due(msgspec.structs.replace(OTHER_ROOT), START, "first")


def test_problems_name_the_remedy() -> None:
    offline = msgspec.structs.replace(FIRST, roots=(make_root(key=""),))
    assert rotation.problem(FIRST, START + 20 * DAY) == ""
    assert rotation.problem(offline, START + DAY) == ""
    assert "podwire mesh ca intermediate" in rotation.problem(offline, START + 20 * DAY)
    assert "expired at 2026-01-31" in rotation.problem(FIRST, START + 31 * DAY)
    assert "is valid only from" in rotation.problem(FIRST, START - DAY)
    followed = with_next(offline, make_root(key=""), make_signer("two"))
    assert rotation.problem(followed, START + 20 * DAY) == ""


def test_a_bad_secret_is_an_error_of_the_authority() -> None:
    assert read(write(OTHER_ROOT)) == OTHER_ROOT
    for text in (b"", b"{}", b"[]", b"\xff"):
        with pytest.raises(AuthorityError, match="cannot be read"):
            read(text)


class Fleet:
    """Two nodes and a controller, whose restarts forget everything but the Secret. Roots are names."""

    def __init__(self) -> None:
        self.now, self.state, self.made = START, FIRST, 2
        self.bundles = [frozenset({"root-1"}), frozenset({"root-1"})]
        self.leaves = [(FIRST.active, START), (FIRST.active, START)]
        self.reported: dict[int, tuple[frozenset[str], str]] = {}

    def poll(self, node: int) -> None:
        """Read the bundle, and report what is applied."""
        self.bundles[node] = frozenset(one.fingerprint for one in self.state.roots)
        self.reported[node] = self.bundles[node], self.leaves[node][0].fingerprint

    def poll_all(self) -> None:
        self.poll(0)
        self.poll(1)

    def renew(self, node: int) -> None:
        self.leaves[node] = self.state.active, self.now
        self.poll(node)

    def lead(self) -> None:
        present = frozenset(one.fingerprint for one in self.state.roots)
        is_known = len(self.reported) == 2 and all(roots == present for roots, _ in self.reported.values())
        in_use = frozenset(signer for _, signer in self.reported.values())
        self.state = step(self.state, self.now, Reports(is_known, in_use))

    def rotate(self) -> None:
        if self.state.next is None:
            name = f"root-{self.made}"
            self.made += 1
            added = make_root(name, begin=self.now), make_signer(f"of {name}", name, begin=self.now)
            self.state = with_next(self.state, *added)

    def restart(self) -> None:
        self.state, self.reported = read(write(self.state)), {}

    def pass_time(self, hours: int) -> None:
        """Both nodes do meanwhile what nodes always do: read the bundle, and renew at half of a leaf's life."""
        for _ in range(hours):
            self.now += HOUR
            for node in (0, 1):
                signer, made = self.leaves[node]
                if self.now - made >= 12 * HOUR or signer != self.state.active:
                    self.renew(node)
                else:
                    self.poll(node)


ACTIONS = st.sampled_from(
    [
        ("poll", 0),
        ("poll", 1),
        ("poll_all",),
        ("poll_all",),
        ("renew", 0),
        ("renew", 1),
        ("lead",),
        ("lead",),
        ("rotate",),
        ("restart",),
        ("pass_time", 1),
        ("pass_time", 13),
        ("pass_time", 30),
    ]
)


@settings(max_examples=examples(250), deadline=None)
@given(actions=st.lists(ACTIONS, min_size=10, max_size=40))
def test_no_two_nodes_ever_fail_to_verify_each_other(actions: list[tuple[Any, ...]]) -> None:
    fleet = Fleet()
    for name, *given_ in actions:
        getattr(fleet, name)(*given_)
        for node in (0, 1):
            signer, made = fleet.leaves[node]
            assert signer.root in fleet.bundles[1 - node], "the peer does not trust the root"
            assert fleet.now - made <= LIFETIMES.leaf


@given(actions=st.lists(ACTIONS, max_size=20))
@settings(max_examples=examples(50), deadline=None)
def test_every_rotation_ends(actions: list[tuple[Any, ...]]) -> None:
    fleet = Fleet()
    for name, *given_ in actions:
        getattr(fleet, name)(*given_)
    for _ in range(60):
        fleet.pass_time(1)
        fleet.lead()
    assert (len(fleet.state.roots), fleet.state.next, fleet.state.retired) == (1, None, ())

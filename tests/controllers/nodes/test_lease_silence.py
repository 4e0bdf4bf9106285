from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.controllers.nodes.lease_silence import ROUNDS, LeaseSilence

GRACE = 10.0


def dead_after(silence: LeaseSilence, answer_seconds: float, lag_seconds: float = 0.0) -> float:
    """The seconds until a node that has renewed at 0 counts as dead: each answer and each wake-up take so long."""
    now = 0.0
    silence.renew("n", "first", now)
    while not silence.silent("n"):
        wait = silence.next_read("n", now)
        assert wait is not None
        now += wait + lag_seconds
        if silence.next_read("n", now) == 0:
            now += answer_seconds
            silence.not_renewed("n", now)
    return now


@pytest.mark.parametrize(
    ("answer", "lag", "least", "most"),
    [(0.0, 0.0, GRACE - 1, GRACE), (0.5, 0.0, 12, 13), (5.0, 0.0, 38, 40), (0.0, 5.0, 38, 40), (5.0, 5.0, 68, 70)],
)
def test_the_grace_grows_with_the_delays_of_the_machine(answer: float, lag: float, least: float, most: float) -> None:
    assert least <= dead_after(LeaseSilence(GRACE), answer, lag) <= most


def test_a_renewal_begins_again_and_an_old_one_counts_for_nothing() -> None:
    silence = LeaseSilence(GRACE)
    assert silence.next_read("n", 0.0) is None
    assert not silence.silent("n")
    assert not silence.renewing("n", 0.0)
    assert silence.renew("n", "1", 0.0)
    assert not silence.renew("n", "1", 5.0)
    assert [silence.renewing("n", second) for second in (0.0, 3.9, 4.0)] == [True, True, False]
    for second in range(ROUNDS):
        silence.not_renewed("n", 4.0 + second)
    assert silence.silent("n")
    assert silence.next_read("n", 100.0) is None
    assert silence.renew("n", "2", 100.0)
    assert not silence.silent("n")
    assert silence.next_read("n", 100.0) == 4.0


def test_a_server_that_does_not_answer_begins_again() -> None:
    silence = LeaseSilence(GRACE)
    silence.renew("n", "1", 0.0)
    for second in range(ROUNDS - 1):
        silence.not_renewed("n", 4.0 + second)
    silence.not_answered("n", 20.0)
    assert silence.next_read("n", 20.0) == 4.0
    silence.not_renewed("n", 24.0)
    assert not silence.silent("n")


@given(st.floats(0, 30), st.floats(0, 30))
def test_no_node_is_dead_that_renews_within_the_time_of_a_few_answers(answer: float, lag: float) -> None:
    """A kubelet renews each 3 s, and its answers are as late as those of the controller."""
    assert dead_after(LeaseSilence(GRACE), answer, lag) > 3.0 + 2 * (answer + lag)

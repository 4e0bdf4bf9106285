import pytest

from podwire.kube.backoff import Backoff


def test_delays_grow_to_the_limit_and_begin_again_after_a_reset() -> None:
    backoff = Backoff(first=1.0, longest=5.0)
    delays = [backoff.step() for _ in range(4)]
    assert delays == [pytest.approx(step * 1.05, rel=0.05) for step in (1, 2, 4, 5)]
    backoff.reset()
    assert backoff.step() < 1.2

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from podwire.mesh.identity import renewal
from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.renewal import Received
from podwire.mesh.identity.spiffe import Spiffe

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86400.0
NONE: frozenset[int] = frozenset()
BUNDLE = TrustBundle("roots", issuer="one")


def received(at: float = 1000.0, serial: int = 7, lifetime: float = DAY) -> Received:
    leaf = Leaf(Spiffe("cluster.local", "shop", "front"), "chain", "key", serial, NOW, NOW + timedelta(days=1))
    return Received(leaf, "one", at, lifetime)


def test_what_does_not_exist_or_is_revoked_is_due_at_once() -> None:
    assert renewal.due(None, BUNDLE, 0.0, NONE) == 0.0
    assert renewal.due(received(serial=7), BUNDLE, 0.0, frozenset({7})) == 0.0
    assert renewal.due(received(serial=7), BUNDLE, 0.0, frozenset({8})) > 0.0


@given(serial=st.integers(1, 1 << 150), lifetime=st.floats(60.0, 10 * DAY))
def test_it_is_due_at_half_of_its_life_or_a_little_before(serial: int, lifetime: float) -> None:
    moment = renewal.due(received(1000.0, serial, lifetime), BUNDLE, 0.0, NONE) - 1000.0

    assert 0.45 * lifetime - 1e-6 <= moment <= 0.5 * lifetime + 1e-6


def test_leaves_of_another_intermediate_are_replaced_within_a_minute() -> None:
    other = TrustBundle("roots", issuer="two")
    moments = [renewal.due(received(serial=serial), other, 5000.0, NONE) for serial in range(1, 200)]

    assert all(5000.0 <= one <= 5000.0 + renewal.SPREAD_SECONDS for one in moments)
    assert max(moments) - min(moments) > renewal.SPREAD_SECONDS / 2, "they are spread"


def test_a_bundle_without_an_issuer_changes_nothing() -> None:
    one = received()
    assert renewal.due(one, TrustBundle("roots"), 5000.0, NONE) == renewal.due(one, BUNDLE, 0.0, NONE)


def test_an_expired_or_revoked_one_is_not_served() -> None:
    one = received()
    assert renewal.may_be_served(one, 1000.0 + DAY - 1, NONE)
    assert not renewal.may_be_served(one, 1000.0 + DAY, NONE)
    assert not renewal.may_be_served(one, 1000.0, frozenset({7}))


def test_a_wrong_clock_is_reported_in_both_directions() -> None:
    assert renewal.skew(NOW, NOW + timedelta(seconds=30)) is None
    assert renewal.skew(NOW, NOW + timedelta(hours=1)) == timedelta(hours=1)
    assert renewal.skew(NOW, NOW - timedelta(hours=1)) == timedelta(hours=-1)

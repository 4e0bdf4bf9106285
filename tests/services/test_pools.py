import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.backend_choice import TrafficPolicy
from podwire.kube.backends import Backend, PortKey
from podwire.services.model import Frontend, PoolKey, Protocol
from podwire.services.pools import Claim, HeldPool, PoolAddress, Pools, PoolsExhaustedError

KEY = PoolKey(PortKey("http", "TCP", 4), TrafficPolicy.CLUSTER)
LOCAL = PoolKey(PortKey("http", "TCP", 4), TrafficPolicy.LOCAL)
ADDRESS = PoolAddress(Frontend("10.96.0.1", Protocol.TCP, 80), outside=False)


def backends(*numbers: int) -> tuple[Backend, ...]:
    return tuple(Backend(f"10.244.{number}.1", 80) for number in numbers)


def claim(*numbers: int, affine: bool = False, address: PoolAddress = ADDRESS) -> Claim:
    return Claim(backends(*numbers), affine, [address])


def test_owners_keep_their_slots_and_lose_those_of_pools_that_they_no_longer_claim() -> None:
    pools: Pools[str] = Pools(9)
    pools.keep("web", {KEY: claim(2, 3)})
    placed = pools.keep("web", {KEY: claim(1, 2, 3)})[KEY]
    assert (placed.number, placed.slots) == (0, backends(2, 3, 1))
    pools.keep("web", {})
    assert pools.keep("web", {KEY: claim(1, 2, 3)})[KEY].slots == backends(1, 2, 3)


def test_each_pool_has_a_number_of_its_own_and_each_family_its_own_numbers() -> None:
    pools: Pools[str] = Pools(9)
    six = PoolKey(PortKey("http", "TCP", 6), TrafficPolicy.CLUSTER)
    placed = pools.keep("web", {KEY: claim(1), LOCAL: claim(1), six: claim(1)})
    assert [placed[key].number for key in (KEY, LOCAL, six)] == [0, 1, 0]
    assert pools.keep("api", {KEY: claim(1)})[KEY].number == 2


def test_a_released_number_comes_back_after_all_others() -> None:
    pools: Pools[str] = Pools(2)
    for turn in range(3):
        assert pools.keep("web", {KEY: claim(1)})[KEY].number == turn
        pools.keep("web", {})
    assert pools.keep("web", {KEY: claim(1)})[KEY].number == 0


def test_too_many_pools_are_an_error_and_change_nothing() -> None:
    pools: Pools[str] = Pools(1)
    pools.keep("web", {KEY: claim(1)})
    with pytest.raises(PoolsExhaustedError, match="all 2 numbers for pools of IPv4 are in use"):
        pools.keep("api", {KEY: claim(1), LOCAL: claim(2)})
    assert pools.keep("api", {KEY: claim(1)})[KEY].number == 1
    assert pools.keep("web", {KEY: claim(1)})[KEY].number == 0


def test_what_the_kernel_held_comes_back_after_a_restart() -> None:
    pools: Pools[str] = Pools(9)
    one, two, three = backends(1, 2, 3)
    pools.restore({ADDRESS: HeldPool(7, {0: three, 2: one}, {})})
    placed = pools.keep("web", {KEY: claim(1, 2, 3)})[KEY]
    assert (placed.number, placed.slots) == (7, (three, two, one))
    assert pools.keep("api", {KEY: claim(1, address=ADDRESS)})[KEY].number == 8, "7 is taken, and never-used ones first"


def test_numbers_that_the_kernel_still_holds_are_not_given_out() -> None:
    pools: Pools[str] = Pools(2)
    pools.restore({ADDRESS: HeldPool(2, {0: backends(9)[0]}, {})})
    other = PoolAddress(Frontend("10.96.0.2", Protocol.TCP, 80), outside=False)
    assert [pools.keep(name, {KEY: claim(1, address=other)})[KEY].number for name in ("a", "b")] == [0, 1]
    with pytest.raises(PoolsExhaustedError):
        pools.keep("c", {KEY: claim(1, address=other)})


def test_a_pool_of_other_endpoints_under_the_same_address_is_left_alone() -> None:
    """The address may have led to an older Service that is derived later."""
    pools: Pools[str] = Pools(9)
    pools.restore({ADDRESS: HeldPool(7, {0: backends(5)[0]}, {})})
    assert pools.keep("young", {KEY: claim(1)})[KEY].number == 8


def test_what_is_kept_counts_more_than_what_is_read_back() -> None:
    pools: Pools[str] = Pools(9)
    one, two = backends(1, 2)
    pools.keep("web", {KEY: claim(1, 2)})
    pools.restore({ADDRESS: HeldPool(5, {0: two, 1: one}, {})})
    placed = pools.keep("web", {KEY: claim(1, 2)})[KEY]
    assert (placed.number, placed.slots) == (0, (one, two))


def test_an_affine_endpoint_keeps_its_number_for_its_life() -> None:
    pools: Pools[str] = Pools(9)
    one, two, three, four = backends(1, 2, 3, 4)
    first = pools.keep("web", {KEY: claim(1, 2, 3, affine=True)})[KEY].sticky
    assert first == {one: 0, two: 1, three: 2}
    assert pools.keep("web", {KEY: claim(1, 3, 4, affine=True)})[KEY].sticky == {one: 0, three: 2, four: 1}
    assert pools.keep("web", {KEY: claim(3, affine=True)})[KEY].sticky == {three: 2}


def test_affine_numbers_are_found_after_a_restart() -> None:
    pools: Pools[str] = Pools(9)
    one, two = backends(1, 2)
    pools.restore({ADDRESS: HeldPool(3, {0: two}, {two: 4})})
    assert pools.keep("web", {KEY: claim(1, 2, affine=True)})[KEY].sticky == {two: 4, one: 0}


@given(st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=2, max_size=6))
def test_any_history_keeps_the_numbers_of_affine_endpoints_that_stay(history: list[set[int]]) -> None:
    pools: Pools[str] = Pools(9)
    before = pools.keep("web", {KEY: claim(*history[0], affine=True)})[KEY].sticky
    for step in history[1:]:
        after = pools.keep("web", {KEY: claim(*step, affine=True)})[KEY]
        assert set(after.sticky) == set(after.slots) == set(backends(*step))
        assert len(set(after.sticky.values())) == len(after.sticky)
        assert all(after.sticky[backend] == number for backend, number in before.items() if backend in after.sticky)
        before = after.sticky

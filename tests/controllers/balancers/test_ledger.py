from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from podwire.controllers.balancers.ledger import AddressLedger, family_of
from podwire.controllers.balancers.pools import BalancerPools, subnets
from podwire.controllers.balancers.provider import BalancerError
from podwire.controllers.balancers.request import AddressRequest, Sharing
from podwire.kube.meta import NamespacedName
from tests.thoroughness import examples

POOLS = subnets(BalancerPools(("10.0.0.0/29", "fd00::/126"), ("10.1.0.0/30", "fd01::/126")))
BOTH = ("IPv4", "IPv6")


def wish(name: str, *addresses: str, **changes: Any) -> AddressRequest:
    sharing = Sharing(changes.pop("key", ""), frozenset({("TCP", changes.pop("port", 80))}))
    families = changes.pop("families", ("IPv4",))
    wanted = tuple(map(ip_address, addresses))
    return AddressRequest(
        name, NamespacedName("shop", name), ("", name), families, addresses=wanted, sharing=sharing, **changes
    )


def given(ledger: AddressLedger, request: AddressRequest) -> list[str]:
    return [str(address) for address in ledger.claim(request).addresses]


def test_the_lowest_free_address_is_given_and_kept() -> None:
    ledger = AddressLedger(POOLS)
    assert given(ledger, wish("a")) == ["10.0.0.1"]
    assert given(ledger, wish("b", families=BOTH)) == ["10.0.0.2", "fd00::1"]
    assert given(ledger, wish("c", internal=True)) == ["10.1.0.1"]
    assert ledger.release("a")
    assert not ledger.release("a")
    assert given(ledger, wish("b", families=BOTH)) == ["10.0.0.2", "fd00::1"]
    assert given(ledger, wish("d")) == ["10.0.0.1"]
    assert given(ledger, wish("b", families=("IPv6",))) == ["fd00::1"]
    assert given(ledger, wish("e")) == ["10.0.0.2"]


def test_another_kind_of_balancer_gets_another_address() -> None:
    ledger = AddressLedger(POOLS)
    given(ledger, wish("a"))
    assert given(ledger, wish("a", internal=True)) == ["10.1.0.1"]
    assert given(ledger, wish("b")) == ["10.0.0.1"]


def test_a_requested_address_is_given_or_the_service_keeps_what_it_has() -> None:
    ledger = AddressLedger(POOLS)
    assert given(ledger, wish("a", "10.0.0.4")) == ["10.0.0.4"]
    assert given(ledger, wish("b")) == ["10.0.0.1"]
    for address, message in (
        ("10.0.0.4", "address 10.0.0.4 is in use by Service shop/a: not both.*request another address"),
        ("10.0.0.0", "outside of the public pool .*request an address of the pool"),
        ("192.0.2.1", "outside of the public pool"),
        ("10.1.0.1", "but in the internal one; .*annotate it with"),
    ):
        with pytest.raises(BalancerError, match=message):
            ledger.claim(wish("b", address))
        assert ledger.addresses("b") == (ip_address("10.0.0.1"),)
    with pytest.raises(BalancerError, match=r"but in the public one; .*remove the annotation"):
        ledger.claim(wish("b", "10.0.0.5", internal=True))
    assert ledger.addresses("b") == (), "an address of the other kind is not kept"


def test_an_empty_pool_names_the_remedy() -> None:
    ledger = AddressLedger(POOLS)
    for name in "ab":
        given(ledger, wish(name, internal=True))
    with pytest.raises(
        BalancerError, match=r"no IPv4 address is left in the internal pool \(10.1.0.0/30, fd01::/126\)"
    ):
        ledger.claim(wish("c", internal=True))
    only4 = AddressLedger(subnets(BalancerPools(("10.0.0.0/29",))))
    with pytest.raises(BalancerError, match="has no IPv6 network; add one"):
        only4.claim(wish("a", families=BOTH))
    assert only4.addresses("a") == ()
    claim = only4.claim(wish("a", families=BOTH, partial=True))
    assert claim.addresses == (ip_address("10.0.0.1"),)
    assert "IPv6" in claim.missing
    with pytest.raises(BalancerError, match="has no IPv6 network"):
        only4.claim(wish("b", families=("IPv6",), partial=True))


def test_services_share_an_address_on_request_only() -> None:
    ledger = AddressLedger(POOLS)
    assert given(ledger, wish("a", key="k")) == ["10.0.0.1"]
    assert given(ledger, wish("b", key="k", port=81)) == ["10.0.0.1"]
    assert given(ledger, wish("c", key="k", port=81)) == ["10.0.0.2"]
    assert given(ledger, wish("d", key="other", port=82)) == ["10.0.0.3"]
    with pytest.raises(BalancerError, match="both use port 81/TCP"):
        ledger.claim(wish("c", "10.0.0.1", key="k", port=81))
    assert given(ledger, wish("b", key="k", port=80)) == ["10.0.0.2"], "who changes its port moves, not the other"
    ledger.release("a")
    assert given(ledger, wish("e")) == ["10.0.0.1"]


def test_what_was_restored_is_kept_and_the_first_one_wins() -> None:
    ledger = AddressLedger(POOLS)
    ledger.restore(wish("a"), [ip_address("10.0.0.3")])
    ledger.restore(wish("b"), [ip_address("10.0.0.3")])
    ledger.restore(wish("c"), [ip_address("192.0.2.1")])
    assert given(ledger, wish("c")) == ["10.0.0.1"]
    assert given(ledger, wish("b")) == ["10.0.0.2"]
    assert given(ledger, wish("a")) == ["10.0.0.3"]


NAMES = st.sampled_from("abcdefgh")
ADDRESSES = st.sampled_from(
    [*(f"10.0.0.{n}" for n in range(8)), "10.1.0.1", "fd00::1", "fd00::2", "fd01::1", "192.0.2.1"]
).map(ip_address)


@st.composite
def requests(draw: st.DrawFn) -> AddressRequest:
    name = draw(NAMES)
    families = draw(st.sampled_from([("IPv4",), ("IPv6",), BOTH, BOTH[::-1]]))
    wanted = draw(st.lists(ADDRESSES, max_size=2, unique_by=family_of))
    sharing = Sharing(
        draw(st.sampled_from(["", "k", "l"])),
        frozenset({("TCP", draw(st.sampled_from([80, 81, 82])))}),
        draw(st.sampled_from([(), (("app", "web"),)])),
    )
    return AddressRequest(
        name,
        NamespacedName("shop", name),
        ("", name),
        families,
        draw(st.booleans()),
        draw(st.booleans()),
        tuple(address for address in wanted if family_of(address) in families),
        sharing,
    )


class LedgerMachine(RuleBasedStateMachine):
    """Random claims and releases; a model of who holds what is kept from the answers only."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = AddressLedger(POOLS)
        self.holders: dict[str, AddressRequest] = {}

    @rule(request=requests())
    def claim(self, request: AddressRequest) -> None:
        before = self.ledger.addresses(request.uid)
        try:
            claim = self.ledger.claim(request)
        except BalancerError:
            self._refused(request, before)
        else:
            found = {family_of(address): address for address in claim.addresses}
            assert request.partial or set(found) == set(request.families)
            assert all(found.get(family_of(address)) in {address, None} for address in request.addresses)
            assert bool(claim.missing) == (set(found) != set(request.families))
            assert self.ledger.claim(request) == claim, "the same request again has the same result"
        self.holders[request.uid] = request

    def _refused(self, request: AddressRequest, before: tuple[Any, ...]) -> None:
        after = self.ledger.addresses(request.uid)
        assert set(after) <= set(before)
        free = [family for family in request.families if self._can_have(request, family)]
        assert len(free) < len(request.families), "a refusal although there are addresses"

    def _can_have(self, request: AddressRequest, family: str) -> bool:
        wanted = [address for address in request.addresses if family_of(address) == family]
        subnet = POOLS.of(internal=request.internal)
        hosts = [host for net in subnet.networks for host in net if host in subnet and family_of(host) == family]
        allowed = [host for host in wanted or hosts if host in subnet and not self._taken(request, host)]
        return bool(allowed)

    def _taken(self, request: AddressRequest, address: Any) -> bool:
        others = [
            other for uid, other in self.holders.items() if uid != request.uid and address in self.ledger.addresses(uid)
        ]
        return any(request.sharing.conflict(other.sharing) for other in others)

    @rule(name=NAMES)
    def release(self, name: str) -> None:
        self.ledger.release(name)
        self.holders.pop(name, None)
        assert self.ledger.addresses(name) == ()

    @rule()
    def restart(self) -> None:
        """A new ledger, from what each Service has: nothing moves."""
        again = AddressLedger(POOLS)
        for uid, request in self.holders.items():
            again.restore(request, self.ledger.addresses(uid))
        for uid in self.holders:
            assert again.addresses(uid) == self.ledger.addresses(uid)
        self.ledger = again

    @invariant()
    def no_address_has_two_holders_in_conflict(self) -> None:
        for uid, request in self.holders.items():
            for address in self.ledger.addresses(uid):
                assert address in POOLS.of(internal=request.internal)
                assert family_of(address) in request.families
                assert not self._taken(request, address)


LedgerMachine.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase


def test_a_released_address_is_the_next_one_given() -> None:
    ledger = AddressLedger(subnets(BalancerPools(("fd00::/112",))))
    for number in range(20):
        (address,) = ledger.claim(wish(f"s{number}", families=("IPv6",))).addresses
        assert int(address) & 0xFFFF == number + 1
    ledger.release("s7")
    assert given(ledger, wish("next", families=("IPv6",))) == ["fd00::8"]
    assert given(ledger, wish("later", families=("IPv6",))) == ["fd00::15"]

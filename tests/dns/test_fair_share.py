"""Places that clients share: some clients never take all, whatever they want."""

from hypothesis import given
from hypothesis import strategies as st

from podwire.dns.fair_share import FairShare

PLACES = 100


def taken(share: FairShare, client: str) -> int:
    """How many places the client gets when it wants all."""
    count = 0
    while share.has_room(client):
        share.take(client)
        count += 1
    return count


def test_one_client_gets_half_and_the_next_ones_parts_of_the_rest() -> None:
    share = FairShare(PLACES)
    assert [taken(share, client) for client in ("a", "b", "c")] == [50, 25, 13]
    assert taken(share, "a") == 0


def test_a_place_that_is_given_back_is_free_again() -> None:
    share = FairShare(2)
    assert taken(share, "a") == 1
    share.give_back("a")
    assert taken(share, "b") == 1


def test_as_many_clients_as_halves_take_all() -> None:
    share = FairShare(512)
    assert [taken(share, str(number)) for number in range(11)] == [256, 128, 64, 32, 16, 8, 4, 2, 1, 1, 0]


@given(st.lists(st.sampled_from("abcdef"), max_size=300))
def test_a_client_without_a_place_finds_one_while_few_are_there(wishes: list[str]) -> None:
    share = FairShare(PLACES)
    for client in wishes:
        if share.has_room(client):
            share.take(client)
    assert share.has_room("another")

"""Which proxy the Service of a Gateway leads to while it moves."""

from __future__ import annotations

from podwire.edge.controller.proxy_moves import LINGER_SECONDS, ProxyMoves
from podwire.kube.meta import NamespacedName

GATEWAY, OTHER = NamespacedName("shop", "gw"), NamespacedName("shop", "other")


class Moves:
    """Moves, with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.moves = ProxyMoves(lambda: self.now)

    def serving(self, wanted: str, *, is_served: bool = False) -> str:
        return self.moves.serving(GATEWAY, wanted, lambda: is_served)


def test_the_first_proxy_serves_at_once() -> None:
    found = Moves()
    assert found.serving("edge") == "edge"
    assert found.moves.needed(GATEWAY) == {"edge"}
    assert found.moves.needed(OTHER) == frozenset()


def test_the_one_before_serves_until_the_new_one_does_and_lingers() -> None:
    found = Moves()
    found.serving("edge")
    assert found.serving("own") == "edge"
    assert found.moves.proxies() == {"edge"}
    assert found.moves.again(GATEWAY) is None
    assert found.serving("own", is_served=True) == "own"
    assert found.moves.needed(GATEWAY) == {"edge", "own"}
    assert found.moves.again(GATEWAY) == LINGER_SECONDS
    found.now += LINGER_SECONDS
    assert found.moves.needed(GATEWAY) == {"own"}
    assert found.moves.again(GATEWAY) is None


def test_a_gateway_that_moves_back_is_served_by_the_one_that_it_never_left() -> None:
    found = Moves()
    found.serving("edge")
    found.serving("own")
    assert found.serving("edge") == "edge"
    assert found.moves.needed(GATEWAY) == {"edge"}


def test_a_gateway_that_moves_back_while_the_one_before_lingers() -> None:
    found = Moves()
    found.serving("edge")
    found.serving("own", is_served=True)
    assert found.serving("edge", is_served=True) == "edge"
    found.now += 1
    assert found.moves.needed(GATEWAY) == {"edge", "own"}
    found.now += LINGER_SECONDS
    assert found.moves.needed(GATEWAY) == {"edge"}


def test_nothing_is_known_of_a_gateway_that_is_gone() -> None:
    found = Moves()
    found.serving("edge")
    found.serving("own", is_served=True)
    found.moves.remove(GATEWAY)
    assert not found.moves.needed(GATEWAY)
    assert not found.moves.proxies()

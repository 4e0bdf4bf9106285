from __future__ import annotations

from podwire.edge.controller.unused_proxies import UNUSED_SECONDS, UnusedProxies


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_proxy_is_due_when_it_was_unused_for_the_whole_delay() -> None:
    clock = Clock()
    proxies = UnusedProxies(clock)
    assert proxies.due({"a", "b"}, {"a"}) == (frozenset(), UNUSED_SECONDS)
    clock.now += UNUSED_SECONDS - 10
    assert proxies.due({"a", "b"}, set()) == (frozenset(), 10)
    clock.now += 10
    assert proxies.due({"a", "b"}, set()) == (frozenset({"b"}), UNUSED_SECONDS - 10)
    assert proxies.due({"a"}, {"a"}) == (frozenset(), None)


def test_a_proxy_that_is_used_in_between_waits_the_whole_delay_again() -> None:
    clock = Clock()
    proxies = UnusedProxies(clock)
    proxies.due({"a"}, set())
    clock.now += UNUSED_SECONDS - 1
    assert proxies.due({"a"}, {"a"}) == (frozenset(), None)
    clock.now += 2
    assert proxies.due({"a"}, set()) == (frozenset(), UNUSED_SECONDS)

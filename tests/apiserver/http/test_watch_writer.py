"""Rounds: many streams are sent one after the other, with rests between bursts, and nobody is forgotten."""

import asyncio
import time

from podwire.apiserver.http.watch_writer import LARGEST_SLICE, Rounds
from tests.apiserver.conftest import until


async def test_a_stream_is_called_once_in_the_next_round() -> None:
    rounds, called = Rounds(), []

    def send() -> None:
        called.append("sent")

    rounds.join(send)
    rounds.join(send)
    assert called == []
    await until(lambda: called)
    await asyncio.sleep(0)
    assert called == ["sent"]


async def test_all_are_called_where_there_are_more_than_one_slice() -> None:
    rounds, called = Rounds(), []
    for number in range(3 * LARGEST_SLICE):
        rounds.join(lambda number=number: called.append(number))  # type: ignore[misc]
    await until(lambda: len(called) == 3 * LARGEST_SLICE)
    assert called == list(range(3 * LARGEST_SLICE))


async def test_one_stream_that_fails_delays_no_other() -> None:
    rounds, called = Rounds(), list[str]()

    def fail() -> None:
        raise RuntimeError("broken")

    rounds.join(fail)
    rounds.join(lambda: called.append("same round"))
    await until(lambda: called)
    rounds.join(lambda: called.append("next round"))
    await until(lambda: called == ["same round", "next round"])


async def test_requests_get_their_turn_between_slices() -> None:
    rounds, order = Rounds(), list[object]()

    def first() -> None:
        asyncio.get_running_loop().call_soon(order.append, "request")

    rounds.join(first)
    for number in range(2 * LARGEST_SLICE):
        rounds.join(lambda number=number: order.append(number))  # type: ignore[misc]
    await until(lambda: len(order) == 2 * LARGEST_SLICE + 1)
    assert order.index("request") == LARGEST_SLICE - 1


async def test_a_round_is_followed_by_a_rest_as_long_as_itself() -> None:
    rounds, moments = Rounds(), []

    def slow() -> None:
        began = time.monotonic()
        while time.monotonic() < began + 0.05:
            pass
        moments.append(time.monotonic())

    rounds.join(slow)
    await until(lambda: moments)
    rounds.join(lambda: moments.append(time.monotonic()))
    await until(lambda: len(moments) == 2)
    assert moments[1] - moments[0] >= 0.045


async def test_a_stream_added_during_a_round_is_called_in_the_next() -> None:
    rounds, called = Rounds(), []

    def again() -> None:
        called.append("first")
        rounds.join(lambda: called.append("second"))

    rounds.join(again)
    await until(lambda: len(called) == 2)
    assert called == ["first", "second"]

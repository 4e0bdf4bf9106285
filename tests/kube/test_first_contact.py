import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest

from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.deadlines import Deadlines
from podwire.kube.first_contact import FirstContact
from podwire.kube.kinds import PODS


class Server:
    """Answers on the test's request; counts the requests, and the most at the same time."""

    def __init__(self) -> None:
        self.sent = 0
        self._answers: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def send(self) -> str:
        self.sent += 1
        answer = await self._answers.get()
        if answer is not None:
            raise answer
        return "response"

    def answer(self, error: Exception | None = None) -> None:
        self._answers.put_nowait(error)


async def sent(server: Server, count: int) -> None:
    """Return when so many requests have been sent, and all that could follow at once has."""
    async with asyncio.timeout(10):
        while server.sent < count:  # noqa: ASYNC110  (the tasks have no event for it)
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)


def several(contact: FirstContact, server: Server, count: int = 5) -> list[asyncio.Task[str]]:
    def one() -> Coroutine[Any, Any, str]:
        return contact.request(server.send)

    return [asyncio.create_task(one()) for _ in range(count)]


async def test_one_request_is_sent_until_the_server_answers_it() -> None:
    contact, server = FirstContact(), Server()
    tasks = several(contact, server)
    await sent(server, 1)
    assert server.sent == 1
    server.answer()
    await sent(server, 5)
    for _ in range(4):
        server.answer()
    assert await asyncio.gather(*tasks) == ["response"] * 5
    assert server.sent == 5


async def test_an_error_is_that_of_all_who_waited_and_the_next_request_tries_again() -> None:
    contact, server = FirstContact(), Server()
    tasks = several(contact, server)
    await sent(server, 1)
    server.answer(TimeoutError("too slow"))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(error), str(error)) for error in found] == [(TimeoutError, "too slow")] * 5
    assert len({id(error) for error in found}) == 5  # each is raised with a traceback of its own
    server.answer()
    assert await contact.request(server.send) == "response"
    assert server.sent == 2


@pytest.mark.parametrize("fault", [None, ValueError("not the server's")])
async def test_another_request_is_sent_where_the_first_is_given_up(fault: Exception | None) -> None:
    contact, server = FirstContact(), Server()
    first, *others = several(contact, server)
    await sent(server, 1)
    if fault is None:
        first.cancel()
    else:
        server.answer(fault)
    await sent(server, 2)
    assert server.sent == 2
    for _ in others:
        server.answer()
    assert await asyncio.gather(*others) == ["response"] * 4
    assert first.cancelled() if fault is None else first.exception() is fault


async def test_a_server_that_is_not_reachable_gets_one_connection_for_all_requests() -> None:
    made: list[Any] = []

    class Counted(Deadlines, frozen=True):
        def socket(self, address: tuple[Any, ...]) -> socket.socket:
            made.append(address)
            return super().socket(address)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with Client(Credentials(f"http://127.0.0.1:{port}"), deadlines=Counted()) as client:
        found = await asyncio.gather(*(client.list(PODS) for _ in range(5)), return_exceptions=True)
    assert len(made) == 1
    assert [type(error) for error in found] == [aiohttp.ClientConnectorError] * 5
    assert {str(port) in str(error) for error in found} == {True}

"""Clients that send requests without a pause and count what fails: a program that `load.py` starts in a world.

    load_program.py JSON     a list of Client

Each client prints `answered INDEX BACKEND` with the first answer of each backend. All run until standard input ends;
then a line of JSON per client: answers by status and backend, failures, and the longest time between two answers.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from tests.edge.world.http_clients import NotProcessedError, Session, Streams, Target, answer_of, connected, request_of

PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 20.0
MOST_FAILURES = 20


class Client(msgspec.Struct, frozen=True):
    """A client: `new` makes a connection for each request; `kept` and `h2` use one until the server ends it."""

    kind: str
    target: Target


class Count(msgspec.Struct):
    """What one client has seen; `connections` is how many it made, `gap` in seconds."""

    answers: dict[str, int] = {}
    failures: list[str] = []
    failed: int = 0
    connections: int = 0
    gap: float = 0.0
    newest: float = 0.0

    def answered(self, index: int, status: int, body: bytes) -> None:
        """Count an answer; any status but 200 is a failure."""
        now = time.monotonic()
        self.gap, self.newest = max(self.gap, now - self.newest if self.newest else 0.0), now
        if status != 200:
            self.fail(f"status {status}: {body[:100]!r}")
            return
        lines = body.decode(errors="replace").splitlines()
        backend = next((line.rpartition("/")[2] for line in lines if line.startswith("pod: ")), "?")
        if backend not in self.answers:
            say(f"answered {index} {backend}")
        self.answers[backend] = self.answers.get(backend, 0) + 1

    def fail(self, why: str) -> None:
        """Count a failure; the first ones are kept with the time of day."""
        self.failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(f"{time.strftime('%H:%M:%S')}.{int(time.time() * 1000) % 1000:03} {why}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def http1(client: Client, index: int, count: Count) -> AsyncIterator[None]:
    """HTTP/1.1 over new connections, or over one until an answer or the server ends it."""
    link: Streams | None = None
    request = request_of(client.target, close=client.kind == "new")
    try:
        while True:
            if link is None or link[0].at_eof():
                count.connections += 1
                link = await connected(client.target)
            link[1].write(request)
            status, ends, body = await answer_of(link[0])
            count.answered(index, status, body)
            if ends:
                link[1].close()
                link = None
            yield
    finally:
        if link is not None:
            link[1].close()


async def http2(client: Client, index: int, count: Count) -> AsyncIterator[None]:
    """HTTP/2: one connection until the server announces its end (GOAWAY); its last streams are finished there."""
    session: Session | None = None
    try:
        while True:
            if session is None or session.ends:
                count.connections += 1
                session = Session(client.target, await connected(client.target))
            try:
                status, body = await session.request()
            except NotProcessedError:  # RFC 9113 section 6.8: it may be sent again
                session.close()
                session = None
                continue
            count.answered(index, status, body)
            yield
    finally:
        if session is not None:
            session.close()


CLIENTS: dict[str, Callable[[Client, int, Count], AsyncIterator[None]]] = {"new": http1, "kept": http1, "h2": http2}


async def run(client: Client, index: int, count: Count, over: asyncio.Event) -> None:
    """Send requests until `over`; after a failure a new connection is made."""
    while not over.is_set():
        steps = CLIENTS[client.kind](client, index, count)
        try:
            while not over.is_set():
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await anext(steps)
                await asyncio.sleep(PAUSE_SECONDS)
        except (OSError, EOFError, TimeoutError) as error:
            count.fail(f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            close: Callable[[], Awaitable[None]] | None = getattr(steps, "aclose", None)
            if close is not None:
                await close()


async def main(text: str) -> None:
    """Run all clients."""
    clients = msgspec.json.decode(text, type=list[Client])
    counts = [Count() for _ in clients]
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    await asyncio.gather(*(run(one, i, counts[i], over) for i, one in enumerate(clients)))
    for count in counts:
        say(msgspec.json.encode(count).decode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""Forwarding against servers that lie, stall, cut and fail. Each runs on a port of its own on loopback."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from podwire.dns import forward
from podwire.dns.corefile.configuration import configuration
from podwire.dns.exchange import Upstream
from podwire.dns.forward import Forwarder
from podwire.dns.message import Query, parse
from podwire.dns.outcome import REFUSED, Outcome, Relayed
from podwire.dns.reply import Reply
from podwire.dns.reply_cache import ReplyCache
from podwire.dns.upstreams import parse_upstream

LOOPBACK = ipaddress.ip_address("127.0.0.1")
Script = Callable[[dns.message.Message], list[bytes]]


class Liar(asyncio.DatagramProtocol):
    """A server whose replies a test writes; it keeps the queries and where they came from."""

    def __init__(self, script: Script) -> None:
        self.requested: list[dns.message.Message] = []
        self.ports: list[int] = []
        self._script = script

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = dns.message.from_wire(data)
        self.requested.append(message)
        self.ports.append(addr[1])
        for reply in self._script(message):
            self._transport.sendto(reply, addr)


@contextlib.asynccontextmanager
async def server(script: Script) -> AsyncIterator[tuple[Upstream, Liar]]:
    transport, liar = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Liar(script), local_addr=("127.0.0.1", 0)
    )
    try:
        yield Upstream(LOOPBACK, transport.get_extra_info("sockname")[1]), liar
    finally:
        transport.close()


def query_of(name: str = "example.com", **options: object) -> Query:
    query = parse(dns.message.make_query(name, "A", **options).to_wire())  # type: ignore[arg-type]
    assert isinstance(query, Query)
    return query


def good(message: dns.message.Message, address: str = "192.0.2.1", ttl: int = 30) -> bytes:
    reply = dns.message.make_response(message)
    reply.answer.append(dns.rrset.from_text(message.question[0].name, ttl, "IN", "A", address))
    return reply.to_wire()


def failed(message: dns.message.Message) -> bytes:
    reply = dns.message.make_response(message)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return reply.to_wire()


def address_in(found: Reply | None) -> str:
    assert found is not None
    return str(dns.message.from_wire(found.raw).answer[0][0].address)


def forwarder_to(*servers: Upstream, options: str = "policy sequential", cache: str = "cache 30") -> Forwarder:
    """A forwarder of everything, with the options of a Corefile."""
    block = configuration(f". {{\nforward . 192.0.2.9 {{\n{options}\n}}\n{cache}\n}}").blocks[0]
    kept = ReplyCache(block.cache) if block.cache is not None else None
    return Forwarder(block.forwards[0], servers, kept)


async def outcome(forwarder: Forwarder, query: Query, client: str = "10.244.0.9") -> Outcome | None:
    """What it answers in the end."""
    found = forwarder.answer(query, client)
    return await found if isinstance(found, Awaitable) else found


async def test_forged_replies_are_passed_over_until_the_true_one_comes() -> None:
    def forge(message: dns.message.Message) -> list[bytes]:
        wrong_id = dns.message.from_wire(good(message, "192.0.2.66"))
        wrong_id.id ^= 1
        other = dns.message.make_query("other.example", "A", id=message.id)
        return [wrong_id.to_wire(), good(other, "192.0.2.66"), b"scrap", message.to_wire(), good(message)]

    async with server(forge) as (upstream, _):
        assert address_in(await forwarder_to(upstream).resolve(query_of())) == "192.0.2.1"


async def test_numbers_and_ports_differ_from_query_to_query() -> None:
    async with server(lambda message: [good(message, ttl=0)]) as (upstream, liar):
        forwarder = forwarder_to(upstream)
        for _ in range(20):
            await forwarder.resolve(query_of())
        assert len({message.id for message in liar.requested}) > 15
        assert len(set(liar.ports)) > 15


async def test_one_query_is_under_way_however_many_ask() -> None:
    async with server(lambda message: [good(message)]) as (upstream, liar):
        forwarder = forwarder_to(upstream)
        found = await asyncio.gather(*(forwarder.resolve(query_of()) for _ in range(50)))
        assert {address_in(one) for one in found} == {"192.0.2.1"}
        assert len(liar.requested) == 1


async def test_a_kept_reply_is_only_for_the_same_question_and_bits() -> None:
    async with server(lambda message: [good(message)]) as (upstream, liar):
        forwarder = forwarder_to(upstream)
        checking_off = dns.message.make_query("example.com", "A")
        checking_off.flags |= dns.flags.CD
        not_recursive = dns.message.make_query("example.com", "A", flags=0)
        different = [query_of(), query_of(want_dnssec=True), query_of("www.example.com")]
        for message in (checking_off, not_recursive):
            query = parse(message.to_wire())
            assert isinstance(query, Query)
            different.append(query)
        for _ in range(2):
            for query in different:
                await outcome(forwarder, query)
        assert len(liar.requested) == len(different)
        assert isinstance(forwarder.answer(query_of("EXAMPLE.com"), ""), Relayed)


async def test_a_dead_and_a_failing_server_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.1)
    async with (
        server(lambda message: [failed(message)]) as (broken, _),
        server(lambda _: []) as (silent, muted),
        server(lambda message: [good(message, ttl=0)]) as (whole, _),
    ):
        forwarder = forwarder_to(broken, silent, whole)
        assert address_in(await forwarder.resolve(query_of())) == "192.0.2.1"
        assert address_in(await forwarder.resolve(query_of())) == "192.0.2.1"
        assert len(muted.requested) == 1, "a server that failed goes behind the others"


async def test_where_all_fail_their_failure_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.05)
    async with server(lambda message: [failed(message)]) as (broken, _), server(lambda _: []) as (silent, _):
        found = await forwarder_to(broken, silent).resolve(query_of())
        assert found is not None
        assert found.rcode == dns.rcode.SERVFAIL
        assert await forwarder_to(silent).resolve(query_of()) is None


async def test_a_cut_reply_is_fetched_by_tcp() -> None:
    def cut(message: dns.message.Message) -> list[bytes]:
        reply = dns.message.make_response(message)
        reply.flags |= dns.flags.TC
        return [reply.to_wire()]

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = good(dns.message.from_wire(await reader.readexactly(size)), "192.0.2.7")
        writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()

    async with server(cut) as (upstream, _):
        stream = await asyncio.start_server(converse, "127.0.0.1", upstream.port)
        async with stream:
            assert address_in(await forwarder_to(upstream).resolve(query_of())) == "192.0.2.7"


async def test_a_loop_of_forwarders_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.1)
    rounds: list[asyncio.Task[object]] = []

    def back(message: dns.message.Message) -> list[bytes]:
        query = parse(message.to_wire())
        assert isinstance(query, Query)
        rounds.append(asyncio.create_task(forwarder.resolve(query)))
        return []

    async with server(back) as (upstream, liar):
        forwarder = forwarder_to(upstream)
        assert await forwarder.resolve(query_of()) is None
        assert await asyncio.gather(*rounds) == [None] * len(rounds)
        assert len(liar.requested) == 2, "each try once, and no more however often it comes back"


async def test_the_number_under_way_and_the_number_kept_are_bounded() -> None:
    async with server(lambda message: [good(message)]) as (upstream, liar):
        forwarder = forwarder_to(upstream, options="max_concurrent 4", cache="cache {\nsuccess 3\n}")
        found = await asyncio.gather(*(outcome(forwarder, query_of(f"{n}.test")) for n in range(5)))
        assert [one is REFUSED for one in found] == [False, False, True, True, True]
        for n in range(5):
            await outcome(forwarder, query_of(f"{n}.test"))
        kept = [forwarder.answer(query_of(f"{n}.test"), "") for n in range(5)]
        assert sum(isinstance(one, Relayed) for one in kept) == 3
        for one in kept:
            if isinstance(one, Coroutine):
                one.close()
        assert len(liar.requested) == 5


async def test_slow_names_of_one_client_leave_room_for_others() -> None:
    slow: list[dns.message.Message] = []

    def script(message: dns.message.Message) -> list[bytes]:
        if str(message.question[0].name) == "quick.test.":
            return [good(message)]
        slow.append(message)
        return []

    async with server(script) as (upstream, _):
        forwarder = forwarder_to(upstream)
        flood = [
            asyncio.create_task(outcome(forwarder, query_of(f"{n}.slow.test"), "10.244.0.66"))
            for n in range(2 * forward.MOST_UNDER_WAY)
        ]
        found = await outcome(forwarder, query_of("quick.test"), "10.244.0.9")
        assert isinstance(found, Relayed)
        refused = [task for task in flood if task.done() and task.result() is REFUSED]
        assert len(refused) == 1.5 * forward.MOST_UNDER_WAY, "one client gets half of the places"
        forwarder.close()
        await asyncio.wait(flood)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("1.1.1.1", "1.1.1.1", 53),
        ("1.1.1.1:5353", "1.1.1.1", 5353),
        ("fd00::1", "fd00::1", 53),
        ("[fd00::1]:54", "fd00::1", 54),
    ],
)
def test_the_ways_to_write_an_upstream(text: str, address: str, port: int) -> None:
    assert parse_upstream(text) == Upstream(ipaddress.ip_address(address), port)


@pytest.mark.parametrize("text", ["dns.example", "1.1.1.1:x", "", "01.1.1.1"])
def test_what_is_no_upstream_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address"):
        parse_upstream(text)

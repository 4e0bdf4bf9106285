"""Upstream servers that lie, answer for others, are down, or answer with private addresses; and loops of forwarders."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from podwire.dns import forward
from podwire.dns.exchange import Upstream
from podwire.dns.message import Rcode, Response
from podwire.dns.outcome import REFUSED, Outcome, Relayed, sent
from podwire.pki import certificates
from tests.dns.test_forward import LOOPBACK, forwarder_to, good, outcome, query_of, server


def reply(message: dns.message.Message, *records: tuple[str, str, str], section: str = "answer") -> bytes:
    """A reply with these records: owner, type, data."""
    made = dns.message.make_response(message)
    for owner, kind, data in records:
        getattr(made, section).append(dns.rrset.from_text(owner, 30, "IN", kind, data))
    return made.to_wire()


def records(found: Outcome | None) -> set[str]:
    """All records of all sections that a client receives."""
    assert found is not None
    message = dns.message.from_wire(sent(query_of(), found, 1232))
    sets = (*message.answer, *message.authority, *message.additional)
    return {f"{one.name} {data.to_text()}" for one in sets for data in one}


async def eventually(holds: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 nothing reports it
            await asyncio.sleep(0.01)


async def test_records_that_the_question_does_not_lead_to_are_dropped() -> None:
    lies = (
        ("example.com.", "CNAME", "www.example.net."),
        ("www.example.net.", "A", "192.0.2.1"),
        ("bank.test.", "A", "192.0.2.66"),
    )
    async with server(lambda message: [reply(message, *lies)]) as (upstream, _):
        found = await outcome(forwarder_to(upstream), query_of())
        assert records(found) == {"example.com. www.example.net.", "www.example.net. 192.0.2.1"}


@pytest.mark.parametrize("section", ["authority", "additional"])
async def test_records_of_other_sections_are_not_believed(section: str) -> None:
    lie = (
        "bank.test.",
        "NS" if section == "authority" else "A",
        "ns.evil.test." if section == "authority" else "192.0.2.66",
    )
    async with server(lambda message: [reply(message, lie, section=section)]) as (upstream, _):
        assert records(await outcome(forwarder_to(upstream), query_of())) == set()


async def test_an_alias_that_leads_to_itself_ends() -> None:
    loop = (("example.com.", "CNAME", "b.test."), ("b.test.", "CNAME", "example.com."))
    async with server(lambda message: [reply(message, *loop)]) as (upstream, _):
        assert len(records(await outcome(forwarder_to(upstream), query_of()))) == 2


async def test_private_addresses_are_refused_where_the_corefile_says_so() -> None:
    async with server(lambda message: [good(message, "10.0.0.1")]) as (upstream, _):
        open_to_all = forwarder_to(upstream)
        assert records(await outcome(open_to_all, query_of())) == {"example.com. 10.0.0.1"}
        closed = forwarder_to(upstream, options="refuse_private home.arpa")
        for _ in range(2):  # from the server, and from the cache
            assert await outcome(closed, query_of()) is REFUSED
        assert isinstance(await outcome(closed, query_of("nas.home.arpa")), Relayed)
    async with server(lambda message: [good(message, "1.1.1.1")]) as (upstream, _):
        public = forwarder_to(upstream, options="refuse_private")
        assert isinstance(await outcome(public, query_of()), Relayed)


async def test_letters_are_mixed_and_must_come_back() -> None:
    async with server(lambda message: [good(message)]) as (upstream, liar):
        mixed = forwarder_to(upstream, options="randomize_case", cache="")
        names = set()
        for _ in range(8):
            assert records(await outcome(mixed, query_of())) == {"example.com. 192.0.2.1"}
            names.add(liar.requested[-1].question[0].name.to_text())
        assert len(names) > 1
        assert {name.lower() for name in names} == {"example.com."}


async def test_a_reply_with_other_letters_is_a_forgery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.05)

    def folded(message: dns.message.Message) -> list[bytes]:
        return [good(message).lower()] if message.question[0].name.to_text() != "example.com." else []

    async with server(folded) as (upstream, _):
        found = await outcome(forwarder_to(upstream, options="randomize_case"), query_of())
        assert isinstance(found, Response)
        assert found.rcode == Rcode.SERVFAIL


async def test_one_client_cannot_take_all_places() -> None:
    released = asyncio.Event()
    async with server(lambda _: []) as (silent, _):
        forwarder = forwarder_to(silent, options="max_concurrent_client 2")
        waiting = [asyncio.ensure_future(outcome(forwarder, query_of(f"{n}.test"), "10.244.0.1")) for n in range(2)]
        await asyncio.sleep(0)
        assert await outcome(forwarder, query_of("3.test"), "10.244.0.1") is REFUSED
        other = asyncio.ensure_future(outcome(forwarder, query_of("4.test"), "10.244.0.2"))
        await asyncio.sleep(0)
        assert not other.done()
        released.set()
        for task in (*waiting, other):
            task.cancel()
        await asyncio.wait([*waiting, other])
        forwarder.close()


async def test_a_server_that_is_down_is_tried_last_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.05)
    monkeypatch.setattr(forward, "CHECK_SECONDS", 0.05)
    speaks = False
    async with (
        server(lambda message: [good(message, ttl=0)] if speaks else []) as (muted, _),
        server(lambda message: [good(message, ttl=0)]) as (whole, _),
    ):
        forwarder = forwarder_to(muted, whole, options="policy sequential\nhealth_check 50ms\nmax_fails 2", cache="")
        await outcome(forwarder, query_of())
        await eventually(lambda: forwarder.pool.is_down(muted))
        assert forwarder.pool.order() == [whole, muted]
        speaks = True
        await eventually(lambda: forwarder.pool.order() == [muted, whole])
        forwarder.close()


async def test_all_down_fails_at_once_where_the_corefile_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.05)
    monkeypatch.setattr(forward, "CHECK_SECONDS", 0.05)
    options = "health_check 50ms\nmax_fails 1\nfailfast_all_unhealthy_upstreams"
    async with server(lambda _: []) as (silent, liar):
        forwarder = forwarder_to(silent, options=options)
        await outcome(forwarder, query_of())
        before = sum(message.question[0].name.to_text() == "other.test." for message in liar.requested)
        found = await outcome(forwarder, query_of("other.test"))
        assert isinstance(found, Response)
        assert before == sum(message.question[0].name.to_text() == "other.test." for message in liar.requested) == 0
        forwarder.close()


async def test_a_stale_reply_is_better_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.05)
    speaks = True
    async with server(lambda message: [good(message, ttl=1)] if speaks else []) as (upstream, _):
        forwarder = forwarder_to(upstream, cache="cache {\nsuccess 10 1 0\nserve_stale 1h\n}")
        await outcome(forwarder, query_of())
        speaks = False
        cache = forwarder._cache
        assert cache is not None
        await eventually(lambda: cache.find(query_of(), asyncio.get_running_loop().time()) is None)
        found = await outcome(forwarder, query_of())
        assert found is not None
        message = dns.message.from_wire(sent(query_of(), found, 512))
        assert message.answer[0].ttl == 0
        forwarder.close()


async def test_a_tls_server_must_have_the_name(tmp_path: Path) -> None:
    authority = certificates.Authority.create()
    certificates.write(tmp_path, "ca", authority.pair)
    certificates.write(tmp_path, "dns", authority.server(names=("dns.test",), addresses=()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "dns.crt", tmp_path / "dns.key")
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while size := int.from_bytes(await reader.readexactly(2), "big"):
            wire = good(dns.message.from_wire(await reader.readexactly(size)), ttl=0)
            writer.write(len(wire).to_bytes(2, "big") + wire)

    listener = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    for name, answers in (("dns.test", True), ("other.test", False)):
        forwarder = forwarder_to(Upstream(LOOPBACK, port, True, name), cache="")
        forwarder._connections._context = trust
        for _ in range(3):
            found = await outcome(forwarder, query_of())
            assert isinstance(found, Relayed) is answers
            if not answers:
                break
        forwarder.close()
    assert connections == 1, "one connection for all queries; the other name was not believed"
    listener.close()

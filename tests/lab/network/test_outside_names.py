"""Names of load balancers in the DNS server outside of the cluster, also after either side started again."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message

from podwire.dns.records import A, Record
from podwire.lab.network.outside_names import Publisher
from podwire.lab.network.upstream_dns import merged, serve_upstream
from tests.sandbox import sandboxed

PATIENCE_SECONDS = 60.0
SERVER = "127.0.0.1"


def record(name: str, address: str) -> Record:
    return Record(name, A(ipaddress.IPv4Address(address)))


OWN = (record("example.com", "192.0.2.1"), record("outside.test", "192.0.2.1"))


async def answers(name: str) -> set[str]:
    """The addresses of a name; none where the server does not answer."""
    try:
        found = await dns.asyncquery.udp(dns.message.make_query(name, "A"), SERVER, timeout=1)
    except (OSError, dns.exception.Timeout):
        return set()
    return {str(item) for entry in found.answer for item in entry}


async def until(name: str, *wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await answers(name) != set(wanted):  # noqa: ASYNC110  # nothing but a query shows it
            await asyncio.sleep(0.01)


def test_received_names_replace_own_ones() -> None:
    found = set(merged(OWN, {"example.com": ("192.0.2.9",), "new.test": ("192.0.2.9",)}))
    assert found == {
        record("outside.test", "192.0.2.1"),
        record("example.com", "192.0.2.9"),
        record("new.test", "192.0.2.9"),
    }


@sandboxed
async def test_names_are_followed_and_kept(tmp_path: Path) -> None:
    socket = tmp_path / "names.sock"
    publisher = Publisher(socket)
    sending = asyncio.create_task(publisher.run())
    publisher.publish({"example.com": ("192.0.2.9",)})
    serving = asyncio.create_task(serve_upstream(SERVER, OWN, socket))
    await until("example.com", "192.0.2.9")
    publisher.publish({"new.test": ("192.0.2.8",)})
    await until("new.test", "192.0.2.8")
    assert await answers("example.com") == {"192.0.2.1"}
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    serving = asyncio.create_task(serve_upstream(SERVER, OWN, socket))
    await until("new.test", "192.0.2.8")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await answers("new.test") == {"192.0.2.8"}
    serving.cancel()

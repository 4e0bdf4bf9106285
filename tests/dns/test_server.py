"""The whole server on its real ports, in a network namespace of its own: UDP, TCP, probes, changes, forwarding."""

import asyncio
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode

from podwire.dns import server
from podwire.dns.config import DnsConfig
from podwire.dns.records import AAAA, MX, A, Record
from podwire.dns.server import serve_objects
from podwire.kube.core import ConfigMap, Namespace
from podwire.kube.credentials import Credentials
from podwire.kube.meta import ObjectMeta
from podwire.lab.network.upstream_dns import serve_upstream
from tests import empty_root
from tests.dns.fake_api import FakeApi, PlainClient
from tests.dns.zones import RANGES, endpoint, found, service, slice_of
from tests.sandbox import add_addresses, sandboxed

NO_CLIENT = Credentials("", "", "", "")
WEB = "web.shop.svc.cluster.local"
OUTSIDE = [
    Record("example.com", A(ipaddress.IPv4Address("192.0.2.1"))),
    Record("example.com", AAAA(ipaddress.IPv6Address("2001:db8::1"))),
    *(Record("big.test", A(ipaddress.IPv4Address(f"192.0.2.{n}"))) for n in range(200)),
    Record("9.9.9.9.in-addr.arpa", MX(10, "example.com")),
]


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Return when the condition holds; it is tried until the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


async def ask(name: str, kind: str = "A", where: str = "127.0.0.1", **options: object) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
    return await dns.asyncquery.udp(query, where, timeout=30)


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


@asynccontextmanager
async def cluster(api: FakeApi, *upstreams: str) -> AsyncIterator[None]:
    """A DNS server of these objects; leaves when it is ended."""
    config = DnsConfig(NO_CLIENT, cluster_ranges=RANGES, upstreams=upstreams, addresses=("127.0.0.1", "::1"))
    async with api.serve() as url, PlainClient(url) as client:
        task = asyncio.create_task(serve_objects(client, config))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def ready() -> bool:
    try:
        return await status("http://127.0.0.1:8181/ready") == 200
    except aiohttp.ClientError:
        return False


async def alive() -> bool:
    try:
        return await status("http://[::1]:8080/health") == 200
    except aiohttp.ClientError:
        return False


async def answers_by_tcp(where: str) -> bool:
    try:
        await dns.asyncquery.tcp(dns.message.make_query("example.com", "A"), where, timeout=1)
    except OSError:
        return False
    return True


@sandboxed
async def test_not_ready_until_the_objects_are_known() -> None:
    api = FakeApi()
    api.put(service("web", "10.96.0.5"))
    async with cluster(api):
        await eventually(alive)
        assert await status("http://127.0.0.1:8181/ready") == 503
        assert await status("http://127.0.0.1:8181/else") == 404
        assert (await ask(WEB)).rcode() == dns.rcode.SERVFAIL
        api.open.set()
        await eventually(ready)
        assert found(await ask(WEB)) == {"10.96.0.5"}


@sandboxed
async def test_changes_are_answered_on_both_families_by_udp_and_tcp() -> None:
    api = FakeApi()
    api.open.set()
    api.put(
        Namespace(metadata=ObjectMeta(name="shop")), service("web", "None"), slice_of("web", endpoint("10.244.1.2"))
    )
    async with cluster(api):
        await eventually(ready)
        assert found(await ask(WEB)) == {"10.244.1.2"}
        moved = slice_of("web", *(endpoint(f"10.244.2.{n}") for n in range(1, 101)))
        api.put(moved)

        async def hundred() -> bool:
            query = dns.message.make_query(WEB, "A")
            return len(found(await dns.asyncquery.tcp(query, "::1", timeout=30))) == 100

        await eventually(hundred)
        assert (await ask(WEB, where="::1")).flags & dns.flags.TC
        assert found(await ask("10-1-2-3.shop.pod.cluster.local")) == {"10.1.2.3"}
        api.delete(moved)

        async def gone() -> bool:
            return (await ask(WEB)).rcode() == dns.rcode.NXDOMAIN

        await eventually(gone)


@sandboxed
async def test_other_names_go_upstream_and_unknown_reverse_names_of_the_cluster_do_not() -> None:
    add_addresses("lo", "127.0.0.2/8")
    outside = asyncio.create_task(serve_upstream("127.0.0.2", OUTSIDE))
    api = FakeApi()
    api.open.set()
    api.put(service("ext", type="ExternalName", external_name="example.com"))
    async with cluster(api, "127.0.0.2"):
        await eventually(ready)
        assert found(await ask("eXample.com")) == {"192.0.2.1"}
        assert found(await ask("example.com", "AAAA")) == {"2001:db8::1"}
        assert found(await ask("ext.shop.svc.cluster.local")) == {"example.com.", "192.0.2.1"}
        assert (await ask("gone.test")).rcode() == dns.rcode.NXDOMAIN
        assert found(await ask("9.9.9.9.in-addr.arpa", "MX")) == {"10 example.com."}
        answer = await ask("9.9.244.10.in-addr.arpa", "PTR")
        assert str(answer.authority[0].name) == "244.10.in-addr.arpa."
        assert (await ask("big.test")).flags & dns.flags.TC
        whole = await dns.asyncquery.tcp(dns.message.make_query("big.test", "A"), "127.0.0.1", timeout=30)
        assert len(found(whole)) == 200
    outside.cancel()


def config_map(corefile: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="coredns", namespace="kube-system"), data={"Corefile": corefile})


@sandboxed
async def test_the_corefile_is_used_when_it_changes_and_the_last_good_one_stays() -> None:
    add_addresses("lo", "127.0.0.2/8")
    outside = asyncio.create_task(serve_upstream("127.0.0.2", OUTSIDE))
    api = FakeApi()
    api.open.set()
    good = ". {{\nkubernetes cluster.local\nhosts {{\n{} a.test\nfallthrough\n}}\n{}}}\n"
    stub = 'example.com {\nforward . 127.0.0.2\n}\nother.test:5353 {\ntemplate IN TXT {\nanswer "a. TXT x"\n}\n}\n'
    api.put(config_map(good.format("192.0.2.1", "reload\n")), service("web", "10.96.0.5"))

    async def is_answered(name: str, *expected: str) -> bool:
        return found(await ask(name)) == {*expected}

    async with cluster(api):
        await eventually(ready)
        assert await is_answered("a.test", "192.0.2.1")
        assert (await ask("example.com")).rcode() == dns.rcode.REFUSED
        api.put(config_map(good.format("192.0.2.2", "reload\n") + stub))
        await eventually(lambda: is_answered("a.test", "192.0.2.2"))
        assert await is_answered("example.com", "192.0.2.1")
        other = await dns.asyncquery.udp(
            dns.message.make_query("other.test", "TXT"), "127.0.0.1", port=5353, timeout=30
        )
        assert found(other) == {'"x"'}

        async def rejected() -> bool:
            return any("unknown plugin 'geoip'" in event["message"] for event in api.events)

        api.put(config_map(good.format("192.0.2.3", "geoip x\n")))
        await eventually(rejected)
        assert await is_answered("a.test", "192.0.2.2"), "the last good one stays"
        assert await is_answered(WEB, "10.96.0.5")
        api.put(config_map(good.format("192.0.2.4", "")))
        await eventually(lambda: is_answered("a.test", "192.0.2.4"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 5353))  # the port of the removed block is closed
        api.put(config_map(good.format("192.0.2.5", "reload\n")), service("later", "10.96.0.6"))
        await eventually(lambda: is_answered("later.shop.svc.cluster.local", "10.96.0.6"))
        assert await is_answered("a.test", "192.0.2.4"), "without 'reload' a change waits for a restart"
    assert {event["reason"] for event in api.events} == {"CorefileApplied", "CorefileRejected"}
    outside.cancel()


@sandboxed
async def test_many_ask_both_families_at_the_same_time_and_all_are_answered() -> None:
    api = FakeApi()
    api.open.set()
    api.put(service("web", "10.96.0.5", "fd00:10:96::5"))
    async with cluster(api):
        await eventually(ready)
        answers = await asyncio.gather(*(ask(WEB, kind) for _ in range(100) for kind in ("A", "AAAA")))
        assert {data for answer in answers for data in found(answer)} == {"10.96.0.5", "fd00:10:96::5"}
        assert all(answer.answer for answer in answers)


@sandboxed
async def test_scraps_and_silence_by_tcp_do_not_keep_others_out() -> None:
    api = FakeApi()
    api.open.set()
    api.put(service("web", "10.96.0.5"))
    async with cluster(api):
        await eventually(ready)
        idle = [await asyncio.open_connection("127.0.0.1", 53) for _ in range(20)]
        reader, writer = await asyncio.open_connection("127.0.0.1", 53)
        writer.write(b"\0\4scrap")
        assert await reader.read() == b"", "a message that is no query ends the connection"
        answer = await dns.asyncquery.tcp(dns.message.make_query(WEB, "A"), "127.0.0.1", timeout=30)
        assert found(answer) == {"10.96.0.5"}
        for _, one in (*idle, (reader, writer)):
            one.close()


@sandboxed
async def test_a_client_is_answered_from_the_address_of_its_query() -> None:
    add_addresses("lo", "10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128")
    servers = [asyncio.create_task(serve_upstream(wildcard, OUTSIDE)) for wildcard in ("0.0.0.0", "::")]
    await eventually(lambda: answers_by_tcp("10.9.0.1"))
    await eventually(lambda: answers_by_tcp("fd09::1"))
    for family, addresses in ((socket.AF_INET, ("10.9.0.1", "10.9.0.2")), (socket.AF_INET6, ("fd09::1", "fd09::2"))):
        for address in addresses:
            with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
                client.sendto(dns.message.make_query("example.com", "A").to_wire(), (address, 53))
                async with asyncio.timeout(60):
                    _, peer = await asyncio.get_running_loop().sock_recvfrom(client, 4096)
                assert peer[0] == address
    for one in servers:
        one.cancel()


@sandboxed
def test_it_needs_no_file_after_the_fork_and_ends_at_sigterm() -> None:
    """As in a pod: forked from a warm process into a root without Python."""
    reader, writer = os.pipe()
    api = os.fork()
    if api == 0:
        asyncio.run(_serve_api(writer))
    os.close(writer)
    url = os.read(reader, 100).decode()
    child = os.fork()
    if child == 0:
        empty_root.enter()
        vars(server)["Client"] = lambda *_, **__: PlainClient(url)
        server.main(DnsConfig(NO_CLIENT, upstreams=("192.0.2.9",), linger=0))
        sys.stdout.flush()
        os._exit(0)
    asyncio.run(eventually(ready))
    dig = subprocess.run(["dig", "+short", "@127.0.0.1", WEB], capture_output=True, text=True, check=True)
    assert dig.stdout.split() == ["10.96.0.5"]
    dig = subprocess.run(["dig", "+short", "+tcp", "@::1", WEB], capture_output=True, text=True, check=True)
    assert dig.stdout.split() == ["10.96.0.5"]
    refused = asyncio.run(ask("example.com"))
    assert refused.rcode() == dns.rcode.SERVFAIL
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == 0
    os.kill(api, signal.SIGKILL)
    os.waitpid(api, 0)


async def _serve_api(writer: int) -> None:
    api = FakeApi()
    api.open.set()
    api.put(service("web", "10.96.0.5"))
    async with api.serve() as url:
        os.write(writer, url.encode())
        await asyncio.Event().wait()

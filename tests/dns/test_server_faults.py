"""What a server cannot do is reported: pods that it may not read, and what fails beside the answers."""

import asyncio
import contextlib
import logging

import dns.rcode
import pytest

from podwire.dns import server
from podwire.dns.assembly import Assembly
from podwire.dns.config import DnsConfig
from podwire.dns.server import serve_objects
from podwire.kube.core import Namespace, Pod, PodIP, PodStatus
from podwire.kube.meta import ObjectMeta
from tests.dns.fake_api import FakeApi, PlainClient
from tests.dns.test_server import NO_CLIENT, WEB, ask, cluster, config_map, eventually, ready
from tests.dns.zones import found, service
from tests.sandbox import sandboxed

COREFILE = ". {{\nkubernetes cluster.local {{\npods {}\n}}\nreload\n}}\n"
POD = "10-244-1-2.shop.pod.cluster.local"
OTHER = "10-244-1-3.shop.pod.cluster.local"


def pod(address: str) -> Pod:
    return Pod(metadata=ObjectMeta(name="a", namespace="shop"), status=PodStatus(pod_ips=(PodIP(ip=address),)))


@sandboxed
async def test_a_corefile_that_needs_pods_is_rejected_until_they_can_be_read() -> None:
    api = FakeApi()
    api.open.set()
    api.forbidden.add(Pod)
    api.put(Namespace(metadata=ObjectMeta(name="shop")), service("web", "10.96.0.5"), pod("10.244.1.2"))
    api.put(config_map(COREFILE.format("insecure")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "PODS_SECONDS", 0.1)
        async with cluster(api):
            await eventually(ready)
            api.put(config_map(COREFILE.format("verified")))

            async def rejected() -> bool:
                return any("pods" in event["message"] and event["type"] == "Warning" for event in api.events)

            await eventually(rejected)
            assert found(await ask(OTHER)) == {"10.244.1.3"}, "the last good configuration stays"
            assert found(await ask(WEB)) == {"10.96.0.5"}
            api.forbidden.clear()

            async def verified() -> bool:
                return (await ask(OTHER)).rcode() == dns.rcode.NXDOMAIN

            await eventually(verified)
            assert found(await ask(POD)) == {"10.244.1.2"}


@sandboxed
async def test_a_corefile_after_a_first_one_that_needs_pods_is_used_once_they_can_be_read() -> None:
    api = FakeApi()
    api.open.set()
    api.forbidden.add(Pod)
    api.put(Namespace(metadata=ObjectMeta(name="shop")), service("web", "10.96.0.5"), pod("10.244.1.2"))
    api.put(config_map(COREFILE.format("verified")))

    async def rejected() -> bool:
        return any("must know all pods" in event["message"] for event in api.events)

    async def used() -> bool:
        return any(one.ttl == 7 for one in (await ask(WEB)).answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "PODS_SECONDS", 0.1)
        async with cluster(api):
            await eventually(rejected)
            api.put(config_map(COREFILE.format("verified\nttl 7")))
            api.forbidden.clear()
            await eventually(used)


@sandboxed
async def test_the_server_ends_where_what_runs_beside_the_answers_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def failing(_: Assembly) -> None:
        raise RuntimeError("a defect")

    api = FakeApi()
    api.open.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Assembly, "run", failing)
        async with asyncio.timeout(60), api.serve() as url, PlainClient(url) as client:
            with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a defect")):
                await serve_objects(client, DnsConfig(NO_CLIENT, addresses=("127.0.0.1",)))
    with contextlib.suppress(OSError):
        assert not await ready(), "its ports are closed"

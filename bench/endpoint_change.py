"""One endpoint's change from the API write to the kernel, through a real API server, watch and agent."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import multiprocessing
import struct
import time
from multiprocessing.connection import Connection
from typing import Any

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, attribute, nested, text
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import ENDPOINT_SLICES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.lab.base import paths
from podwire.lab.host import credentials, nsenter
from podwire.lab.host.worlds import World

WRITERS = 8
CHANGES = 40
GET_ELEMENTS = 10 << 8 | 13
TABLE, SET, ELEMENTS = 1, 2, 3
LIST_ELEMENT, KEY, VALUE = 1, 1, 1
INET, TCP = 1, 6
"""Numbers of linux/netfilter/nf_tables.h and of IP."""
SLICE = NamespacedName("default", "bench-0")


def milliseconds(world: World, services: int) -> list[float]:
    """The time of each of CHANGES changes, with this many Services of one endpoint in the world."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_inside, args=(world, services, there))
    process.start()
    taken: list[float] = here.recv()
    process.join()
    return taken


def _inside(world: World, services: int, pipe: Connection[Any, Any]) -> None:
    """In the network of the first node, where its kernel can be asked."""
    folder = world.folder / "pki"
    nsenter.enter(world, str(paths.network("node-1")))
    proof = credentials.of_folder(folder, credentials.ADMIN, "https://172.18.0.1:6443")
    pipe.send(asyncio.run(_measure(proof, services)))


async def _measure(proof: Credentials, services: int) -> list[float]:
    async with Client(proof) as client:
        numbers = iter(range(services))
        await asyncio.gather(*(_fill(client, numbers) for _ in range(WRITERS)))
        address = (await client.get(SERVICES, SLICE)).spec.cluster_ip
        slot = Slot(address)
        await slot.leads_to("10.244.9.1")
        return [await _change(client, slot, f"10.244.9.{2 + turn % 2}") for turn in range(CHANGES)]


async def _fill(client: Client, numbers: Any) -> None:
    for number in numbers:
        name = f"bench-{number}"
        await client.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}, "default")
        await client.create(ENDPOINT_SLICES, _slice(name, "10.244.9.1"), "default")


def _slice(name: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"port": 8080}],
    }


async def _change(client: Client, slot: Slot, endpoint: str) -> float:
    began = time.perf_counter()
    await client.patch(ENDPOINT_SLICES, SLICE, {"endpoints": [{"addresses": [endpoint]}]})
    await slot.leads_to(endpoint)
    return (time.perf_counter() - began) * 1e3


class Slot:
    """The first slot of a Service's port 80 in the kernel, asked for alone: nft itself would list the whole map."""

    def __init__(self, address: str) -> None:
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)
        key = ipaddress.ip_address(address).packed + struct.pack("=B3x", TCP) + struct.pack("!H2x", 80) + bytes(4)
        element = nested(LIST_ELEMENT, nested(KEY, attribute(VALUE, key)))
        names = text(TABLE, "podwire-services") + text(SET, "endpoint4")
        self._body = struct.pack("!BBH", INET, 0, 0) + names + nested(ELEMENTS, element)

    async def leads_to(self, endpoint: str) -> None:
        """Return when connections go to this endpoint; asked every half a millisecond."""
        wanted = ipaddress.ip_address(endpoint).packed
        while True:
            with contextlib.suppress(NetlinkError):
                if wanted in self._netlink.get(GET_ELEMENTS, self._body, "find the slot"):
                    return
            await asyncio.sleep(0.0005)

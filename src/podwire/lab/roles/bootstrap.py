"""The first minutes of a world's life, in under a second: its objects, and the wait until it is usable."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import struct
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, NODES, SECRETS, SERVICES, Kind
from podwire.lab.network.topology import Topology
from podwire.lab.roles import manifests
from podwire.lab.roles.dns_diagnosis import dns_trouble

RETRY_SECONDS = 0.01
QUERY_SECONDS = 0.05
LOOK_SECONDS = 2.0
"""Time before the reason is looked for why the DNS does not answer, and before the next look."""


class Bootstrap(msgspec.Struct, frozen=True):
    """What there is to do, as whom, and where to report: a pipe that takes one JSON object a line."""

    topology: Topology
    credentials: Credentials
    dns_files: dict[str, Path]
    progress: int

    async def run(self) -> None:
        """Create the objects and wait; the last line reports ready."""
        async with Client(self.credentials) as client:
            await self._until_answers(client)
            self._report("the API server answers")
            await self._create_objects(client)
            await self._nodes_ready(client)
            self._report("nodes are Ready")
            await self._dns_answers(client)
        os.write(self.progress, json.dumps({"ready": True}).encode() + b"\n")

    def _report(self, step: str) -> None:
        os.write(self.progress, json.dumps({"step": step}).encode() + b"\n")

    async def _until_answers(self, client: Client) -> None:
        while True:
            try:
                await client.list(NODES)
            except (aiohttp.ClientError, ApiError, OSError):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _create_objects(self, client: Client) -> None:
        files = {name: path.read_bytes() for name, path in self.dns_files.items()}
        desired: list[Awaitable[Any]] = [
            _ensure(client, NODES, "", manifests.node_object(node)) for node in self.topology.all_nodes()
        ]
        system = "kube-system"
        await asyncio.gather(
            *desired,
            _ensure(client, SECRETS, system, manifests.dns_credentials(files)),
            _ensure(client, SERVICES, system, manifests.dns_service(self.topology)),
            _ensure(client, CONFIG_MAPS, system, manifests.dns_config_map(self.topology)),
            _ensure(client, DEPLOYMENTS, system, manifests.dns_deployment(self.topology)),
        )

    async def _nodes_ready(self, client: Client) -> None:
        nodes = Informer(client, NODES)
        following = asyncio.create_task(nodes.run())
        try:
            await nodes.wait_for(
                lambda: (
                    sum(
                        any(c.type == "Ready" and c.status == "True" for c in n.status.conditions)
                        for n in nodes.objects.values()
                    )
                    == self.topology.nodes
                )
            )
        finally:
            following.cancel()

    async def _dns_answers(self, client: Client) -> None:
        """Query the cluster DNS by its Service address, from a node, until it resolves the API server's name."""
        name, loop = f"kubernetes.default.svc.{self.topology.domain}", asyncio.get_running_loop()
        look, reported = loop.time() + LOOK_SECONDS, ""
        while not await asyncio.to_thread(resolves, name, self.topology.dns_service[0]):
            await asyncio.sleep(RETRY_SECONDS)
            if loop.time() > look:
                look = loop.time() + LOOK_SECONDS
                reported = await self._report_trouble(client, reported)

    async def _report_trouble(self, client: Client, reported: str) -> str:
        """Report what keeps the DNS from answering, if it changed. Returns what has been reported."""
        try:
            found = await dns_trouble(client)
        except (aiohttp.ClientError, ApiError, OSError) as error:
            found = f"the API server answers {error}"
        if found and found != reported:
            self._report(f"the cluster's DNS does not answer: {found}")
        return found or reported


async def _ensure(client: Client, kind: Kind[Any], namespace: str, body: dict[str, Any]) -> None:
    try:
        await client.create(kind, body, namespace)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def resolves(name: str, server: str) -> bool:
    """Whether the server answers a query for the A records of a name within QUERY_SECONDS (RFC 1035)."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(QUERY_SECONDS)
        try:
            udp.connect((server, 53))
            udp.send(query)
            answer = udp.recv(512)
        except OSError:
            return False
    return _answers(answer, number)


def _answers(message: bytes, number: int) -> bool:
    if len(message) < 12:
        return False
    got, flags, _, answers, _, _ = struct.unpack(">6H", message[:12])
    return bool(got == number and flags & 0xF == 0 and answers)

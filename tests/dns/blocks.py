"""A responder of a Corefile's blocks over a zone of given objects, for tests without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import cast

import dns.message

from podwire.dns.assembly import Assembly, Ground
from podwire.dns.block import Readiness
from podwire.dns.corefile.configuration import configuration
from podwire.dns.names import IPAddress
from podwire.dns.pods import PodAddressIndex
from podwire.dns.ready_answers import ReadyAnswers
from podwire.dns.responder import ClusterResponder
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from tests.dns.zones import Objects, zone_of


class Pods:
    """Pods by address: the namespace of each."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = namespaces

    def exists(self, namespace: str, address: IPAddress) -> bool:
        return self._namespaces.get(str(address)) == namespace

    def namespace(self, client: str) -> str:
        return self._namespaces.get(client, "")


def responder(
    corefile: str, *items: Service | EndpointSlice, pods: Mapping[str, str] | None = None
) -> tuple[ClusterResponder, Assembly]:
    """A responder of the blocks of port 53."""
    ready = ReadyAnswers()
    zone = zone_of(Objects.of(*items))
    found = cast("PodAddressIndex", Pods(pods or {}))
    ground = Ground(zone, Readiness(ready=True), found, ready, lambda _: None)
    assembly = Assembly(configuration(corefile), ground)
    return ClusterResponder(assembly.routers[53], ready), assembly


def ask(
    server: ClusterResponder, name: str, kind: str = "A", client: str = "10.244.0.9", *, stream: bool = False
) -> dns.message.Message:
    """Ask one question, and wait where it is forwarded."""
    message = dns.message.make_query(name, kind)
    wire = server.answer(message.to_wire(), stream=stream, client=(client, 4000))
    if isinstance(wire, Awaitable):
        wire = asyncio.run(_wait(wire))
    assert isinstance(wire, bytes)
    answer = dns.message.from_wire(wire)
    assert message.is_response(answer)
    return answer


async def _wait(answer: Awaitable[bytes | None]) -> bytes | None:
    return await answer

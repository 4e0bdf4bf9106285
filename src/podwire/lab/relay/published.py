"""Ports of the host that `podwire up --publish` fixes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

TEXT = re.compile(
    r"(?P<host_port>\d{1,5})=((?P<namespace>[a-z0-9-]+)/)?(?P<name>[a-z0-9-]+):(?P<port>[a-z0-9-]+)(/(?P<protocol>tcp|udp))?"
)
"""HOSTPORT=NAMESPACE/NAME:PORT/PROTOCOL; namespace and protocol may be left out."""


class PublishedPort(msgspec.Struct, frozen=True):
    """A port of 127.0.0.1, and the port of a Service, by number or name, that it forwards to."""

    host_port: int
    namespace: str
    name: str
    port: str
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.host_port}={self.namespace}/{self.name}:{self.port}/{self.protocol.lower()}"

    @property
    def descriptor(self) -> str:
        """The name under which the roles of a world inherit its socket."""
        return f"publish-{self.protocol.lower()}-{self.host_port}"


def parse(text: str) -> PublishedPort:
    """A port as `--publish` names it; raises ValueError."""
    found = TEXT.fullmatch(text)
    if found is None or not 1 <= int(found["host_port"]) <= 65535:
        raise ValueError(
            f"--publish {text}: write HOSTPORT=NAMESPACE/NAME:PORT, such as 8080=shop/web:80 or 8053=dns:53/udp"
        )
    namespace, protocol = found["namespace"] or "default", (found["protocol"] or "tcp").upper()
    return PublishedPort(int(found["host_port"]), namespace, found["name"], found["port"], protocol)


def parse_all(texts: Iterable[str]) -> tuple[PublishedPort, ...]:
    """All ports of a world; raises ValueError where two are the same port of the host."""
    ports = tuple(map(parse, texts))
    for number, port in enumerate(ports):
        if any(port.descriptor == other.descriptor for other in ports[:number]):
            raise ValueError(f"--publish {port}: port {port.host_port} is published twice; choose another")
    return ports

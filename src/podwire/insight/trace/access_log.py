"""The line of an Envoy's access log about one request, found by its User-Agent, which is unique."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from http import HTTPStatus

import msgspec

from podwire.edge.gateway.objects import ROUTES
from podwire.kube.client import ApiError, Client
from podwire.kube.core import Pod
from podwire.kube.kinds import PODS

PATIENCE_SECONDS = 15.0
"""For which the line is waited for: an Envoy writes its log each second, and each ten where it is not podwire's."""
BAD_REQUEST_SECONDS = 2.0
"""The same for 400: a request that Envoy refuses to read is logged without its headers."""
PAUSE_SECONDS = 0.2
_KINDS = {one.lower(): one for one in ROUTES}


class LogLine(msgspec.Struct, frozen=True):
    """What Envoy logged. `pod` is the Envoy's. Absent fields are None in its JSON."""

    pod: str = ""
    request_id: str | None = None
    gateway: str | None = None
    port: str | None = None
    route: str | None = None
    cluster: str | None = None
    endpoint: str | None = None
    client: str | None = None
    status: int = 0
    flags: str | None = None
    details: str | None = None
    milliseconds: float | None = None
    user_agent: str | None = None

    @property
    def route_object(self) -> str:
        """Kind, name and rule of the route; empty where no route was taken."""
        parts = (self.route or "").split("/")
        if len(parts) < 5:  # kind/namespace/name/rule/INDEX/match/INDEX
            return self.route or ""
        return f"{_KINDS.get(parts[0], parts[0])} {parts[1]}/{parts[2]}, rule {parts[4]}"

    @property
    def backend(self) -> str:
        """Namespace, name and port of the Service; empty where there was none."""
        parts = (self.cluster or "").split("/")
        return f"{parts[0]}/{parts[1]}:{parts[2]}" if len(parts) > 2 else ""


async def find(client: Client, envoys: Iterable[Pod], user_agent: str, status: int) -> LogLine | None:
    """Return the line about the request with this User-Agent; None where no Envoy has one in time. Raises ApiError."""
    pods = tuple(envoys)
    deadline = time.monotonic() + (BAD_REQUEST_SECONDS if status == HTTPStatus.BAD_REQUEST else PATIENCE_SECONDS)
    while time.monotonic() < deadline:
        for pod in pods:
            for line in reversed(await _lines(client, pod)):
                found = parsed(line)
                if found is not None and found.user_agent == user_agent:
                    return msgspec.structs.replace(found, pod=str(pod.key))
        await asyncio.sleep(PAUSE_SECONDS)
    return None


def parsed(line: bytes) -> LogLine | None:
    """Return a line of the access log; None for any other line of an Envoy's output."""
    if not line.startswith(b"{"):
        return None
    try:
        return msgspec.json.decode(line, type=LogLine)
    except msgspec.DecodeError:
        return None


async def _lines(client: Client, pod: Pod) -> list[bytes]:
    path = PODS.path(pod.metadata.namespace, pod.metadata.name, "log")
    try:
        pieces = [piece async for piece in client.stream(path, tailLines="200")]
    except ApiError as error:
        if error.reason == "NotFound":  # the pod has ended
            return []
        raise
    return b"".join(pieces).splitlines()

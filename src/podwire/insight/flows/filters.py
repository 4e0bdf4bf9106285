"""Which flow records are shown. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from podwire.policy.flows.record import Endpoint, Flow

_SINCE = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Filter(msgspec.Struct, frozen=True):
    """What a record must have; an empty field admits all. `namespace` and `pod` are of either end.

    `pod` is a name, the beginning of one before a `-`, or NAMESPACE/NAME. `since` is RFC 3339 in UTC.
    """

    namespaces: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    verdict: str = ""
    ports: tuple[int, ...] = ()
    protocols: tuple[str, ...] = ()
    since: str = ""

    def admits(self, flow: Flow) -> bool:
        """Whether the record is shown."""
        ends = (flow.source, flow.destination)
        service = flow.destination_service
        known = {end.namespace for end in ends} | ({service.namespace} if service is not None else set())
        return (
            (not self.namespaces or bool(known & set(self.namespaces)))
            and (not self.pods or any(_is_named(end, pod) for end in ends for pod in self.pods))
            and self.verdict in {"", flow.verdict}
            and (not self.ports or bool(_ports(flow) & set(self.ports)))
            and (not self.protocols or flow.l4.protocol.upper().startswith(self.protocols))
            and flow.time >= self.since
        )


def _is_named(end: Endpoint, desired: str) -> bool:
    namespace, _, name = desired.rpartition("/")
    if not end.pod_name or namespace not in {"", end.namespace}:
        return False
    return end.pod_name == name or end.pod_name.startswith(f"{name}-") or any(w.name == name for w in end.workloads)


def _ports(flow: Flow) -> set[int]:
    """The destination's port, and that of the Service."""
    found = {flow.l4.port} if flow.l4.port is not None else set()
    original = flow.original_destination
    return found | ({original.port} if original is not None else set())


def since(text: str, now: datetime) -> str:
    """Return a duration such as 5m before `now`, or an RFC 3339 time, as records have their time. Raises ValueError."""
    match = _SINCE.fullmatch(text)
    if match:
        moment = now - timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a time needs its zone, such as 2026-01-31T10:00:00Z")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

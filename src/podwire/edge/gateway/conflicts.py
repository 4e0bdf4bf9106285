"""Listeners of one Gateway, with those of its ListenerSets, that are not distinct. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` (Distinct Listeners), GEP-1713 (precedence: the Gateway, the oldest set,
name). In one object none of the indistinct listeners wins; of several objects, that of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from podwire.edge.gateway.attached_listeners import ListenerState, Problem

_FAMILIES = {"HTTP": "HTTP", "HTTPS": "TLS", "TLS": "TLS", "TCP": "TCP", "UDP": "UDP"}
"""Listeners of one family share a port by their hostnames: HTTPS and TLS both by SNI."""

_Port = tuple[str, int]


class _Taken:
    """What the listeners so far have of each port."""

    def __init__(self) -> None:
        self.first: dict[_Port, ListenerState] = {}
        self.hostnames: dict[tuple[_Port, str], ListenerState] = {}

    def add(self, one: ListenerState) -> None:
        self.first.setdefault(_port(one), one)
        self.hostnames.setdefault((_port(one), one.hostname), one)


def without_conflicts(objects: Sequence[Sequence[ListenerState]]) -> tuple[ListenerState, ...]:
    """Return the listeners with their problems; `objects` has the Gateway's listeners first, then each set's."""
    taken, result = _Taken(), []
    for group in objects:
        earlier = [_earlier(one, taken) for one in group]
        left = [one for one, lost in zip(group, earlier, strict=True) if lost is None and one.protocol in _FAMILIES]
        siblings = _Siblings(left)
        for one, lost in zip(group, earlier, strict=True):
            other = lost or siblings.conflict(one)
            result.append(_conflicted(one, other) if other else one)
        for one in left:
            taken.add(one)
    return tuple(result)


class _Siblings:
    """Listeners of one object that no listener of an earlier one is in the way of."""

    def __init__(self, group: Sequence[ListenerState]) -> None:
        self._group = group
        self._families = Counter(port for port, _ in {(_port(one), _FAMILIES[one.protocol]) for one in group})
        self._names = Counter((_port(one), one.hostname) for one in group)

    def conflict(self, one: ListenerState) -> ListenerState | None:
        """Return one that is not distinct from this."""
        if self._families[_port(one)] < 2 and self._names[_port(one), one.hostname] < 2:
            return None
        others = [other for other in self._group if other is not one and _port(other) == _port(one)]
        return next((other for other in others if _is_indistinct(one, other)), None)


def _earlier(one: ListenerState, taken: _Taken) -> ListenerState | None:
    """Return a listener of an earlier object that this is not distinct from."""
    first = taken.first.get(_port(one))
    if first is None or one.protocol not in _FAMILIES:
        return None
    return first if _is_indistinct(one, first) else taken.hostnames.get((_port(one), one.hostname))


def _is_indistinct(one: ListenerState, other: ListenerState) -> bool:
    """Whether two listeners of one port cannot both be served."""
    return _FAMILIES[one.protocol] != _FAMILIES[other.protocol] or one.hostname == other.hostname


def _conflicted(one: ListenerState, other: ListenerState) -> ListenerState:
    """Return the listener with the conditions Conflicted and Accepted set, for the same reason."""
    reason = "HostnameConflict" if one.protocol == other.protocol else "ProtocolConflict"
    if reason == "HostnameConflict":
        what = (
            f"port {one.port} and hostname {one.hostname} are those of {_name(other)} too: change one hostname or port"
        )
    else:
        what = f"port {one.port} cannot have {one.protocol} and {other.protocol} ({_name(other)}): change one port"
    problems = (Problem("Conflicted", "True", reason, what), Problem("Accepted", "False", reason, what))
    kept = tuple(problem for problem in one.problems if problem.type != "Accepted")
    return msgspec.structs.replace(one, problems=(*problems, *kept))


def _name(one: ListenerState) -> str:
    return f"listener {one.name} of {one.parent.kind} {one.parent.key}"


def _port(one: ListenerState) -> _Port:
    return one.transport, one.port


def with_overlaps(listeners: Sequence[ListenerState]) -> tuple[ListenerState, ...]:
    """Return the listeners, those with OverlappingTLSConfig whose hostnames overlap with another's of the same port.

    A connection that a browser opened for one host may then bring requests for the other.
    """
    terminating = {(one.port, one.hostname): one for one in listeners if one.is_accepted and one.mode == "Terminate"}
    overlaps: dict[tuple[int, str], str] = {}
    for port, hostname in terminating:
        for wider in _wider(hostname):
            if (port, wider) in terminating:
                overlaps.setdefault((port, hostname), wider)
                overlaps.setdefault((port, wider), hostname)
    return tuple(
        _overlapping(one, overlaps[one.port, one.hostname])
        if terminating.get((one.port, one.hostname)) is one and (one.port, one.hostname) in overlaps
        else one
        for one in listeners
    )


def _overlapping(one: ListenerState, other: str) -> ListenerState:
    message = (
        f"hostname {one.hostname} overlaps with {other} of another listener of port {one.port}: a client may send "
        "requests for both on one connection; requests for the other's hosts get 421"
    )
    overlap = Problem("OverlappingTLSConfig", "True", "OverlappingHostnames", message)
    return msgspec.structs.replace(one, problems=(*one.problems, overlap))


def _wider(hostname: str) -> list[str]:
    """Return the wildcards, other than itself, that contain the hostname."""
    labels = hostname.removeprefix("*.").split(".")
    first = 0 if hostname.startswith("*.") else 1
    wider = ["*." + ".".join(labels[index:]) for index in range(first, len(labels))]
    return [one for one in (*wider, "*") if one != hostname]

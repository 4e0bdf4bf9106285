"""Why a connection is possible or not: the answer of `podwire explain FROM TO:PORT`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from podwire.insight.connection import answer
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.question import connected


def explanation(one: Expectation, snapshots: Iterable[Snapshot]) -> str:
    """Return the answer as text, from the first objects in which the names mean something; empty where none has them.

    Written objects come first: they have lines. What a world has besides, such as its DNS servers, is in its own.
    """
    name, port = connected(one.destination, one.port)
    host = f"[{name}]" if ":" in name else name
    destination = name if port is None else f"{host}:{port}/{one.protocol}"
    for snapshot in snapshots:
        try:
            return answer.shown(answer.report(one.source, destination, snapshot), json=False)
        except EndError:
            continue
    return ""

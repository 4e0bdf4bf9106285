"""Why a connection is possible or not: the answer of `podwire explain FROM TO:PORT`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from podwire.insight.connection import answer
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.expectations import Expectation


def explanation(one: Expectation, snapshots: Iterable[Snapshot]) -> str:
    """Return the answer as text, from the first objects in which the names mean something; empty where none has them.

    Written objects come first: they have lines. What a world has besides, such as its DNS servers, is in its own.
    """
    host = f"[{one.destination}]" if ":" in one.destination else one.destination
    destination = one.destination if one.port is None else f"{host}:{one.port}/{one.protocol}"
    for snapshot in snapshots:
        try:
            return answer.shown(answer.report(one.source, destination, snapshot), json=False)
        except EndError:
            continue
    return ""

"""The state of an agent, as `podwire doctor` reads it over the agent's socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from podwire import __version__
from podwire.engine.reconcile import Reconciler
from podwire.kube.informer import Informer

CAPABILITY = "status"
"""What is requested from the socket; the response is one line of JSON. The agent first compares its tables."""


class InformerState(msgspec.Struct, frozen=True):
    """How well one resource is followed. `age` is in seconds; None before the first list."""

    resource: str
    synced: bool
    age: float | None = None
    undecodable: int = 0
    problem: str = ""
    remedy: str = ""


class RefusedRows(msgspec.Struct, frozen=True):
    """Rows of one target that the kernel refuses, with one of them and the kernel's reason."""

    target: str
    count: int
    example: str


class RepairedRows(msgspec.Struct, frozen=True):
    """Rows of one target that differed from the kernel's: now, with one of them, and since the agent's start."""

    target: str
    count: int
    example: str
    total: int


class AgentStatus(msgspec.Struct, frozen=True):
    """Everything that is reported."""

    version: str
    node: str
    ready: bool
    informers: tuple[InformerState, ...] = ()
    refused: tuple[RefusedRows, ...] = ()
    repaired: tuple[RepairedRows, ...] = ()


def status(
    node: str,
    informers: Iterable[Informer[Any]],
    reconcilers: Iterable[Reconciler[Any, Any]],
    *,
    ready: bool,
) -> AgentStatus:
    """Return the state of an agent now."""
    states = tuple(informer_state(one) for one in informers)
    found = tuple(reconcilers)
    return AgentStatus(__version__, node, ready, states, tuple(_refused(found)), tuple(_repaired(found)))


def lines(found: AgentStatus) -> Sequence[str]:
    """Return the response over the socket."""
    return (msgspec.json.encode(found).decode(),)


def informer_state(informer: Informer[Any]) -> InformerState:
    """Return how well a resource is followed now."""
    known = informer.status
    problem, remedy = (known.problem.message, known.problem.remedy) if known.problem is not None else ("", "")
    return InformerState(known.resource, informer.synced.is_set(), known.age, known.undecodable, problem, remedy)


def _refused(reconcilers: Iterable[Reconciler[Any, Any]]) -> Iterator[RefusedRows]:
    for one in reconcilers:
        refusals = one.table.refusals()
        if refusals:
            yield RefusedRows(one.name, len(refusals), f"{refusals[0].row}: {refusals[0].reason}")


def _repaired(reconcilers: Iterable[Reconciler[Any, Any]]) -> Iterator[RepairedRows]:
    for one in reconcilers:
        if one.counters.repaired:
            found = one.differences
            yield RepairedRows(one.name, len(found), found[0] if found else "", one.counters.repaired)

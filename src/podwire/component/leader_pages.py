"""The pages of a program of which one process leads: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from podwire.component.endpoints import Page, verdict
from podwire.component.informer_metrics import access_obstacles, of_informers
from podwire.component.metrics import CONTENT_TYPE, Family, exposition, of_process

if TYPE_CHECKING:
    from podwire.kube.informer import Informer
    from podwire.kube.leader_election import LeaderElector


def leader_pages(
    elector: LeaderElector,
    informers: Callable[[], Sequence[Informer[Any]]],
    families: Callable[[], Iterator[Family]],
    synced: Callable[[], bool] = lambda: True,
) -> Mapping[str, Callable[[], Page]]:
    """Return the pages; `families` are the program's own metrics.

    Ready is also a process that another one goes before: one that is synced and can read the Lease and all kinds.
    """

    def readyz() -> Page:
        problem = elector.problem
        obstacles = (*([str(problem)] if problem else ()), *access_obstacles(informers()))
        return verdict(synced() and not obstacles, obstacles)

    def metrics() -> Page:
        found = (*families(), *of_informers(informers()), *of_process())
        return Page(exposition(found), content_type=CONTENT_TYPE)

    return {"/healthz": lambda: Page("ok"), "/readyz": readyz, "/metrics": metrics}

"""Metrics of informers, which every program that follows the API server has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from podwire.component.metrics import Family, Kind
from podwire.kube.informer import Informer


def of_informers(informers: Sequence[Informer[Any]]) -> Iterator[Family]:
    """How well the API server is followed, by resource."""
    facts = [({"resource": one.status.resource}, one) for one in informers]

    def family(name: str, text: str, kind: Kind, *values: float | None) -> Family:
        known = ((labels, value) for (labels, _), value in zip(facts, values, strict=True) if value is not None)
        return Family(f"podwire_informer_{name}", text, kind, tuple(known))

    ages = (one.status.age for one in informers)
    yield family("last_event_age_seconds", "Seconds since the server sent anything.", "gauge", *ages)
    yield family("synced", "1 after the first full list.", "gauge", *(one.synced.is_set() for one in informers))
    yield family("objects", "Objects known.", "gauge", *(len(one.objects) for one in informers))
    undecodable = (one.status.undecodable for one in informers)
    yield family("undecodable_objects", "Objects that cannot be decoded and are skipped.", "gauge", *undecodable)
    yield family("lists_total", "Full lists.", "counter", *(one.status.lists for one in informers))
    failures = (one.status.failures for one in informers)
    yield family("failures_total", "Lists and watches that failed.", "counter", *failures)
    problems = (({**labels, "reason": one.status.problem.reason}, 1) for labels, one in facts if one.status.problem)
    text = "1 while the resource cannot be listed or watched, by reason such as Forbidden."
    yield Family("podwire_informer_problem", text, "gauge", tuple(problems))


def access_obstacles(informers: Sequence[Informer[Any]]) -> tuple[str, ...]:
    """Return why the API server cannot be followed, with the remedy; what was not listed yet without a reason too."""
    return tuple(
        str(one.status.problem) if one.status.problem else f"{one.status.resource}: not listed yet"
        for one in informers
        if one.status.problem or not one.synced.is_set()
    )

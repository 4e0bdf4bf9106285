"""What no file has and clusters have: their DNS server, and the Envoys of written Gateways and Ingresses. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.snapshot import Snapshot

AnswerT = TypeVar("AnswerT")
REQUEST_KINDS = frozenset(("Gateway", "Ingress"))
"""Kinds whose objects get Envoys."""


def answered(snapshot: Snapshot, question: Callable[[Snapshot], AnswerT]) -> AnswerT:
    """Return the answer to a question about names of these objects, and of those that are assumed. Raises EndError.

    Envoys are added only for names that mean nothing without: half of a second of imports.
    """
    known = assumed_dns.completed(snapshot)
    try:
        return question(known)
    except EndError:
        if not (snapshot.is_planned and has_requests(snapshot)):
            raise
    from podwire.insight.reach.request_exposure import with_proxies

    return question(with_proxies(known)[0])


def has_requests(snapshot: Snapshot) -> bool:
    """Whether there are Gateways or Ingresses."""
    return any(one.kind[1] in REQUEST_KINDS for one in snapshot.others)

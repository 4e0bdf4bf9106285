"""How the authority of a cluster changes over time, so that no two nodes ever fail to verify each other. Pure.

1. The next intermediate is added, with its root if that is another one: nodes trust both roots.
2. When every node has reported the bundle with them it signs, and the one before retires. Nodes replace their leaves.
3. When the leaves of the retired one have expired and no node has any, it is removed, and then a root without signers.

Each step depends on the state and on what nodes report, never on what this process did before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from podwire.mesh.identity.authority import AuthorityState, Root, Signer
from podwire.mesh.identity.certificate import LEAF_LIFETIME
from podwire.pki.certificates import CLOCK_SKEW

LONGEST_WAIT = timedelta(hours=24)
"""For nodes that do not report: after this time the next intermediate signs without them. They read the bundle when
they are back, before they serve."""
PASSED = 0.5
"""The part of its life after which an authority whose root is in the cluster is replaced."""


class Lifetimes(msgspec.Struct, frozen=True):
    """How long certificates are valid."""

    leaf: timedelta = LEAF_LIFETIME
    intermediate: timedelta = timedelta(days=30)
    root: timedelta = timedelta(days=3650)


class Reports(msgspec.Struct, frozen=True):
    """What nodes have reported.

    Attributes:
        is_known: whether every node has the present bundle.
        in_use: fingerprints of the signers of which some node has leaves.

    """

    is_known: bool = False
    in_use: frozenset[str] = frozenset()


def step(state: AuthorityState, now: datetime, lifetimes: Lifetimes, reports: Reports) -> AuthorityState:
    """Return the state that follows; the same one where nothing is due."""
    if state.next is not None and _may_sign(state, state.next, now, reports):
        retired = msgspec.structs.replace(state.active, until=now + lifetimes.leaf + CLOCK_SKEW)
        active = msgspec.structs.replace(state.next, since=now)
        return msgspec.structs.replace(state, active=active, next=None, retired=(*state.retired, retired))
    kept = tuple(one for one in state.retired if _may_be_in_use(one, now, reports))
    if kept != state.retired:
        state = msgspec.structs.replace(state, retired=kept)
    used = {one.root for one in state.signers()}
    roots = tuple(one for one in state.roots if one.fingerprint in used)
    return msgspec.structs.replace(state, roots=roots) if roots != state.roots else state


def _may_sign(state: AuthorityState, following: Signer, now: datetime, reports: Reports) -> bool:
    if not following.is_valid(now):
        return False
    return reports.is_known or now >= following.since + LONGEST_WAIT or not state.active.is_valid(now)


def _may_be_in_use(retired: Signer, now: datetime, reports: Reports) -> bool:
    """Reports count beside the time: the clock of this machine may be wrong."""
    if retired.until is None or now <= retired.until or retired.fingerprint in reports.in_use:
        return True
    return not reports.is_known and now <= retired.until + LONGEST_WAIT


def is_intermediate_due(state: AuthorityState, now: datetime) -> bool:
    """Whether the active intermediate is so old that this cluster must make another one: it has the root's key."""
    present = state.root_of(state.active)
    return state.next is None and present is not None and bool(present.key) and now >= _due(state.active)


def is_root_due(state: AuthorityState, now: datetime, requested: str = "") -> bool:
    """Whether this cluster must make another root, as it made the present one: that is old, or a user requested it."""
    present = state.root_of(state.active)
    if state.next is not None or present is None or not present.key:
        return False
    return now >= _due(present) or (bool(requested) and requested != state.rotation)


def problem(state: AuthorityState, now: datetime) -> str:
    """Return what a user must do, with the remedy; empty: nothing."""
    active, present = state.active, state.root_of(state.active)
    if not active.is_valid(now):
        since = "expired at" if now > active.not_after else "is valid only from"
        moment = active.not_after if now > active.not_after else active.not_before
        return (
            f"the intermediate {since} {moment.isoformat()}: no certificate is signed: check this machine's clock, "
            "or run 'podwire mesh ca intermediate'"
        )
    if present is not None and not present.key and state.next is None and now >= _due(active):
        return (
            f"the intermediate expires at {active.not_after.isoformat()}, and its root's key is not in the cluster: "
            "run 'podwire mesh ca intermediate' where it is"
        )
    return ""


def _due(one: Signer | Root) -> datetime:
    return one.not_before + (one.not_after - one.not_before) * PASSED

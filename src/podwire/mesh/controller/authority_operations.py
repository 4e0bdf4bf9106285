"""What a user does with the authority of a cluster: look at it, rotate it, revoke certificates (`podwire mesh ca`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import NODES
from podwire.kube.meta import NamespacedName
from podwire.mesh.controller import authority_store
from podwire.mesh.controller.authority_store import AUTHORITY, StoredAuthority
from podwire.mesh.identity import authority, ledger, rotation, spiffe
from podwire.mesh.identity.authority import AuthorityError, AuthorityState, Signer
from podwire.mesh.identity.ledger import Decisions, Entry
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

CONFLICTS = 5
"""Tries while the controller writes at the same time."""


class Overview(msgspec.Struct, frozen=True):
    """What `status` shows."""

    state: AuthorityState
    decisions: Decisions
    nodes: tuple[tuple[str, int], ...]
    """Nodes, and how many valid certificates they have."""


async def overview(client: Client, now: datetime) -> Overview:
    """Return the present state. Raises ApiError, AuthorityError."""
    stored = await _existing(client)
    ledgers = await authority_store.read_ledgers(client)
    counts = ((one.node, sum(entry.until > now for entry in one.entries)) for one in ledgers)
    decisions = await authority_store.read_decisions(client)
    return Overview(stored.state, decisions, tuple(sorted(item for item in counts if item[1])))


async def add_intermediate(client: Client, root: KeyPair, now: datetime, lifetime: timedelta) -> AuthorityState:
    """Make an intermediate of a root whose key stays outside; it signs first, or follows the one that does.

    Raises ApiError, AuthorityError.
    """
    try:
        domain = spiffe.trust_domain(authorities.host_of(root.certificate))
        made = authorities.create_intermediate(root, domain, now, lifetime)
    except ValueError as error:
        raise AuthorityError(f"this root cannot be used: {error}") from None
    its_root = authority.root(root, with_key=False)
    following = authority.signer(made, its_root, now)
    for _ in range(CONFLICTS):
        try:
            return await _place(client, domain, its_root, following)
        except ApiError as error:
            if error.reason not in {"Conflict", "AlreadyExists"}:
                raise
    raise AuthorityError(f"secret {AUTHORITY} is being changed by others: try again")


async def request_root(client: Client, text: str) -> None:
    """Request that the cluster itself makes another root and changes to it. Raises ApiError, AuthorityError."""
    state = (await _existing(client)).state
    present = state.root_of(state.active)
    if present is None or not present.key:
        raise AuthorityError(
            "the key of the root is not in the cluster: make another root with 'podwire mesh ca init FOLDER', "
            "then run 'podwire mesh ca intermediate FOLDER': nodes trust both until the change is complete"
        )
    if state.next is not None:
        raise AuthorityError("a rotation is under way: see 'podwire mesh ca status', and wait for its end")
    await authority_store.request_root(client, text)


async def revoke(
    client: Client, now: datetime, *, node: str = "", identity: str = "", serial: str = "", denies: bool = True
) -> tuple[Entry, ...]:
    """Revoke certificates; returns those that were not yet.

    Raises ApiError; AuthorityError for a node or an identity that cannot exist in this cluster.
    """
    before = await authority_store.read_decisions(client)
    ledgers = await authority_store.read_ledgers(client)
    if node and all(one.node != node for one in ledgers):
        await _check_node(client, node)
    if identity:
        await _check_domain(client, identity)
    after = ledger.revoke(before, ledgers, now, node=node, identity=identity, serial=serial, denies=denies)
    await authority_store.write_decisions(client, after)
    fresh = {one.serial for one in after.revoked} - {one.serial for one in before.revoked}
    return tuple(entry for one in ledgers for entry in one.entries if entry.serial in fresh)


async def allow(client: Client, *, node: str = "", identity: str = "") -> bool:
    """Let a node or an identity get certificates again; return whether it was denied.

    Raises ApiError, AuthorityError.
    """
    before = await authority_store.read_decisions(client)
    after = ledger.allow(before, node=node, identity=identity)
    if after == before:
        return False
    await authority_store.write_decisions(client, after)
    return True


def text(found: Overview, now: datetime) -> Iterator[str]:
    """Yield the lines of `status`."""
    state = found.state
    yield f"Trust domain  {state.trust_domain}"
    for one in state.roots:
        place = "its key is in the cluster" if one.key else "its key is outside of the cluster"
        yield f"Root          {one.fingerprint[:16]}  until {_day(one.not_after)}  {place}"
    yield _signer_line("Signs", state.active, now)
    if state.next is not None:
        wait = state.next.since + rotation.LONGEST_WAIT
        yield f"{_signer_line('Next', state.next, now)}  signs when all nodes know it, at {_minute(wait)} at the latest"
    for retired in state.retired:
        end = _minute(retired.until) if retired.until is not None else "unknown"
        yield f"{_signer_line('Retired', retired, now)}  removed after {end}"
    for node, count in found.nodes:
        yield f"Node          {node}: {count} certificate{'s' if count != 1 else ''}"
    for name in found.decisions.nodes:
        yield f"Denied        node {name}"
    for name in found.decisions.identities:
        yield f"Denied        {name}"
    revoked = sum(one.until > now for one in found.decisions.revoked)
    if revoked:
        yield f"Revoked       {revoked} certificate{'s' if revoked != 1 else ''}"
    if problem := rotation.problem(state, now):
        yield f"Problem       {problem}"


def _signer_line(word: str, one: Signer, now: datetime) -> str:
    mark = "" if one.is_valid(now) else "  NOT VALID NOW"
    return f"{word:<14}{one.fingerprint[:16]}  until {_day(one.not_after)}  of root {one.root[:16]}{mark}"


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


async def _check_node(client: Client, node: str) -> None:
    try:
        await client.get(NODES, NamespacedName("", node))
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        raise AuthorityError(
            f"--node: there is no node {node}, and none of that name has certificates: name one of 'kubectl get nodes' "
            "or of 'podwire mesh ca status'"
        ) from None


async def _check_domain(client: Client, identity: str) -> None:
    stored = await authority_store.read_authority(client)
    if stored is None:
        return
    own = msgspec.structs.replace(spiffe.parse(identity), trust_domain=stored.state.trust_domain)
    if str(own) != identity:
        raise AuthorityError(
            f"--identity: {identity} is of another trust domain than this cluster's, {stored.state.trust_domain}: "
            f"write {own}"
        )


async def _existing(client: Client) -> StoredAuthority:
    found = await authority_store.read_authority(client)
    if found is None:
        raise AuthorityError(
            "there is no authority yet: it is made when podwire mesh-controller starts, or by "
            "'podwire mesh ca intermediate FOLDER'"
        )
    return found


async def _place(client: Client, domain: str, its_root: authority.Root, following: Signer) -> AuthorityState:
    stored = await authority_store.read_authority(client)
    if stored is None:
        state = authority.first(domain, its_root, following)
        return (await authority_store.create_authority(client, state)).state
    if stored.state.trust_domain != domain:
        raise AuthorityError(
            f"the root is of trust domain {domain}, the cluster of {stored.state.trust_domain}: "
            "use a root of the latter"
        )
    known = next((one for one in stored.state.roots if one.fingerprint == its_root.fingerprint), its_root)
    state = authority.with_next(stored.state, known, following)
    return (await authority_store.write_authority(client, stored, state)).state

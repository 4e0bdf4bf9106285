"""The objects of the authority in the API: its state, what nodes trust, what is revoked, what was signed."""

from __future__ import annotations

import base64
from typing import Any, TypeVar

import msgspec

from podwire.kube.client import ApiError, Client
from podwire.kube.core import ConfigMap, Secret
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import CONFIG_MAPS, SECRETS
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity import authority, ledger
from podwire.mesh.identity.authority import AuthorityError, AuthorityState
from podwire.mesh.identity.certificate import TrustBundle
from podwire.mesh.identity.ledger import Decisions, Ledger
from podwire.mesh.identity.trust_objects import BASIS, ROOTS, TRUST, trust_bundle, trust_data

ValueT = TypeVar("ValueT")

AUTHORITY = NamespacedName(PROXIES, "podwire-mesh-authority")
DECISIONS = NamespacedName(PROXIES, "podwire-mesh-revocations")
STATE, REVOKED, ENTRIES = "authority.json", "revocations.json", "ledger.json"
"""Keys of the Secret and of the ConfigMaps."""
ROTATE = "mesh.podwire.dev/rotate-root"
"""Annotation of the Secret: another text than before requests another root, where the cluster has the root's key."""
MANAGER = "podwire-mesh-controller"


class StoredAuthority(msgspec.Struct, frozen=True):
    """The state, the version of its Secret, and the last request for another root."""

    state: AuthorityState
    version: str
    requested: str = ""


async def read_authority(client: Client) -> StoredAuthority | None:
    """Return the authority; None where there is none yet. Raises ApiError, AuthorityError."""
    secret = await _get_secret(client)
    return _stored(secret) if secret is not None else None


async def create_authority(client: Client, state: AuthorityState) -> StoredAuthority:
    """Create the Secret. Raises ApiError with reason AlreadyExists where another one was faster."""
    body = {"metadata": {"name": AUTHORITY.name}, "data": _secret_data(state)}
    return _stored(await client.create(SECRETS, body, AUTHORITY.namespace))


async def write_authority(client: Client, before: StoredAuthority, state: AuthorityState) -> StoredAuthority:
    """Replace the state. Raises ApiError with reason Conflict where the Secret has changed since it was read."""
    body = {"metadata": {"resourceVersion": before.version}, "data": _secret_data(state)}
    return _stored(await client.patch(SECRETS, AUTHORITY, body))


async def request_root(client: Client, text: str) -> None:
    """Request another root of the cluster's own. Raises ApiError."""
    await client.patch(SECRETS, AUTHORITY, {"metadata": {"annotations": {ROTATE: text}}})


async def read_bundle(client: Client) -> tuple[TrustBundle | None, str]:
    """Return what nodes trust now, and the basis that it was made from. Raises ApiError."""
    found = await _config_map(client, TRUST)
    if found is None or ROOTS not in found.data:
        return None, ""
    return trust_bundle(found), found.data.get(BASIS, "")


async def write_bundle(client: Client, bundle: TrustBundle, trust_domain: str, basis: str) -> None:
    """Publish what nodes trust. Raises ApiError."""
    body = {"metadata": {"name": TRUST.name}, "data": trust_data(bundle, trust_domain, basis)}
    await client.apply(CONFIG_MAPS, TRUST, body, MANAGER)


async def read_decisions(client: Client) -> Decisions:
    """Return what is revoked and denied. Raises ApiError, AuthorityError."""
    found = await _config_map(client, DECISIONS)
    if found is None or REVOKED not in found.data:
        return ledger.NONE
    return _decoded(found.data[REVOKED], Decisions, DECISIONS)


async def write_decisions(client: Client, decisions: Decisions) -> None:
    """Write them. Raises ApiError."""
    await client.apply(CONFIG_MAPS, DECISIONS, _text_map(DECISIONS.name, REVOKED, decisions), "podwire-mesh")


async def read_ledger(client: Client, node: str) -> Ledger:
    """Return what was signed for a node. Raises ApiError, AuthorityError."""
    key = NamespacedName(PROXIES, ledger.name_of(node))
    found = await _config_map(client, key)
    return _decoded(found.data.get(ENTRIES, ""), Ledger, key) if found is not None else Ledger(node)


async def read_ledgers(client: Client) -> tuple[Ledger, ...]:
    """Return what was signed for all nodes. Raises ApiError, AuthorityError."""
    found = await client.list(CONFIG_MAPS, PROXIES, labelSelector=ledger.NODE_LABEL)
    return tuple(_decoded(one.data.get(ENTRIES, ""), Ledger, one.key) for one in found.items)


async def write_ledger(client: Client, written: Ledger) -> None:
    """Write what was signed for a node. Raises ApiError."""
    name = ledger.name_of(written.node)
    body = _text_map(name, ENTRIES, written)
    body["metadata"]["labels"] = {ledger.NODE_LABEL: name.removeprefix(ledger.PREFIX)}
    await client.apply(CONFIG_MAPS, NamespacedName(PROXIES, name), body, MANAGER)


async def remove_ledger(client: Client, node: str) -> None:
    """Delete what was signed for a node. No error where there is nothing. Raises ApiError."""
    try:
        await client.delete(CONFIG_MAPS, NamespacedName(PROXIES, ledger.name_of(node)))
    except ApiError as error:
        if error.reason != "NotFound":
            raise


def _stored(secret: Secret) -> StoredAuthority:
    try:
        text = base64.b64decode(secret.data.get(STATE, ""), validate=True)
        state = authority.read(text)
    except ValueError as error:
        remedy = "restore it, or delete it: then another authority is made, which no node trusts yet"
        raise AuthorityError(f"secret {AUTHORITY}: {STATE}: {error}: {remedy}") from None
    return StoredAuthority(state, secret.metadata.resource_version, secret.metadata.annotations.get(ROTATE, ""))


def _secret_data(state: AuthorityState) -> dict[str, str]:
    return {STATE: base64.b64encode(authority.write(state)).decode()}


def _text_map(name: str, key: str, value: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {key: msgspec.json.encode(value).decode()}}


def _decoded(text: str, kind: type[ValueT], key: NamespacedName) -> ValueT:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise AuthorityError(f"configmap {key}: {error}: delete it, and it is created again") from None


async def _get_secret(client: Client) -> Secret | None:
    try:
        return await client.get(SECRETS, AUTHORITY)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        return None


async def _config_map(client: Client, key: NamespacedName) -> ConfigMap | None:
    try:
        return await client.get(CONFIG_MAPS, key)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        return None

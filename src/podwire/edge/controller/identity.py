"""Who is who between the controller and its Envoys: one authority, a server certificate, a client certificate a proxy.

The Secret of the authority is created once and shared by all replicas; no other program needs it.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from podwire.edge.controller import fleet
from podwire.edge.xds.server import ServerCredentials
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import SECRETS
from podwire.kube.meta import NamespacedName
from podwire.pki.certificates import Authority, KeyPair, issued_at

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import Secret

AUTHORITY = NamespacedName(PROXIES, "podwire-gateway-controller")
CLIENT_LIFETIME = timedelta(hours=24)
"""Of an Envoy's certificate."""
_FILES = {"ca.crt", "ca.key"}


class Identity(msgspec.Struct, frozen=True):
    """The authority of this installation and the server certificate of this process."""

    authority: Authority
    server: KeyPair

    def server_credentials(self) -> ServerCredentials:
        """Return what the xDS server proves itself with, and verifies Envoys with."""
        return ServerCredentials(self.server.certificate, self.server.key, self.authority.pair.certificate)


async def establish(client: Client, server_name: str) -> Identity:
    """Read the authority, or create it; make a server certificate. Raises ApiError, and ValueError for a bad Secret."""
    try:
        found = await client.get(SECRETS, AUTHORITY)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        found = await _create(client)
    files = data_of(found)
    if not files.keys() >= _FILES:
        raise ValueError(f"secret {AUTHORITY}: data has no ca.crt and ca.key: delete it, and it is created again")
    authority = Authority.load(KeyPair(files["ca.crt"], files["ca.key"]))
    return Identity(authority, authority.server(names=(server_name,), addresses=()))


async def provide_client(client: Client, identity: Identity, proxy: str, now: datetime) -> timedelta:
    """Create the Secret of a proxy's Envoys; replace it at half of its life, or where another authority made it.

    Envoys follow the files and keep their connection. Returns the time until the next replacement. Raises ApiError.
    """
    key, ours = fleet.name_of(proxy), identity.authority.pair.certificate
    try:
        found = data_of(await client.get(SECRETS, key))
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        found = {}
    if found.get("ca.crt") == ours and found.keys() >= {"tls.crt", "tls.key"}:
        made = issued_at(found["tls.crt"])
        if made is not None and timedelta() <= now - made < CLIENT_LIFETIME / 2:
            return made + CLIENT_LIFETIME / 2 - now
    pair = identity.authority.client(proxy, lifetime=CLIENT_LIFETIME)
    files = {"ca.crt": ours, "tls.crt": pair.certificate, "tls.key": pair.key}
    await client.apply(SECRETS, key, fleet.secret(proxy, files), "podwire-gateway-controller")
    return CLIENT_LIFETIME / 2


async def remove_client(client: Client, proxy: str) -> None:
    """Delete the Secret of a proxy's Envoys. No error where there is none. Raises ApiError."""
    try:
        await client.delete(SECRETS, fleet.name_of(proxy))
    except ApiError as error:
        if error.reason != "NotFound":
            raise


def data_of(secret: Secret) -> dict[str, bytes]:
    """Return the data of a Secret; values that are no base64 are left out."""
    found = {}
    for name, text in secret.data.items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except ValueError:
            continue
    return found


async def _create(client: Client) -> Secret:
    pair = Authority.create("podwire-gateway-controller").pair
    data = {"ca.crt": pair.certificate, "ca.key": pair.key}
    body = {
        "metadata": {"name": AUTHORITY.name},
        "data": {name: base64.b64encode(content).decode() for name, content in data.items()},
    }
    try:
        return await client.create(SECRETS, body, AUTHORITY.namespace)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return await client.get(SECRETS, AUTHORITY)
